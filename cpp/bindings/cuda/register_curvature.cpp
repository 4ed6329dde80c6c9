#include "bindings/cuda/tensor.h"
#include "bindings/curvature_arguments.h"
#include "cuda/curvature.h"

namespace divulge::bindings {
namespace {

// The functions that PyTorch's cuBLAS has for products of float32 and float64, as addresses.
cuda::BlasTable table{};

void set_blas(std::uintptr_t sgemm, std::uintptr_t dgemm) {
  table.sgemm = reinterpret_cast<cuda::BlasGemm<float>>(sgemm);
  table.dgemm = reinterpret_cast<cuda::BlasGemm<double>>(dgemm);
}

// A chain and its data on the device; keeps the tensors.
template <class T>
class DeviceProblem {
 public:
  DeviceProblem(const py::list& weights, const py::list& biases, const std::vector<std::string>& activations,
                const std::string& loss, double temperature, const py::object& inputs,
                const py::object& targets)
      : kept_(py::make_tuple(weights, biases, inputs, targets)), n_(extent(inputs, 0)) {
    if (weights.size() != biases.size() || weights.size() != activations.size())
      throw std::invalid_argument("expected as many biases and activations as weights, " +
                                  std::to_string(weights.size()) + ", got " + std::to_string(biases.size()) +
                                  " and " + std::to_string(activations.size()));
    std::size_t width = extent(inputs, 1);
    for (std::size_t l = 0; l < weights.size(); ++l) {
      const std::size_t h = extent(weights[l], 0);
      layers_.push_back({width, h, activation_named(activations[l]),
                         memory<T>(weights[l], h * width, "weight"), memory<T>(biases[l], h, "bias")});
      width = h;
    }
    loss_ = loss_named(loss, temperature);
    inputs_ = memory<T>(inputs, n_ * extent(inputs, 1), "inputs");
    targets_ = memory<T>(targets, n_ * (loss_.kind == LossKind::squared ? width : 1), "targets");
  }

  std::size_t parameters() const { return curvature(nullptr).parameters(); }
  std::size_t state_numbers() const { return curvature(nullptr).state_numbers(); }
  std::size_t workspace_numbers(std::size_t m) const { return curvature(nullptr).workspace_numbers(m); }
  // Where in the state the outputs (n, K) begin.
  std::size_t outputs_at() const { return curvature(nullptr).output_place(layers_.size() - 1); }

  void evaluate(const py::object& state, const py::object& losses, std::uintptr_t handle,
                std::uintptr_t stream, int device) const {
    const auto c = curvature(state_of(state));
    T* const to = memory<T>(losses, n_, "losses");
    const py::gil_scoped_release release;
    c.evaluate(blas(handle), stream_of(stream, device), to);
  }

  void input_gradients(const py::object& state, std::size_t output, const py::object& out,
                       std::uintptr_t handle, std::uintptr_t stream, int device) const {
    const auto c = curvature(state_of(state));
    T* const to = memory<T>(out, n_ * layers_[0].inputs, "gradients");
    const py::gil_scoped_release release;
    c.input_gradients(blas(handle), stream_of(stream, device), output, to);
  }

  void products(const py::object& state, const std::string& kind, const py::object& vectors,
                const py::object& out, const py::object& workspace, std::uintptr_t handle,
                std::uintptr_t stream, int device) const {
    const auto c = curvature(state_of(state));
    const std::size_t m = extent(vectors, 0), size = m * c.parameters();
    const T* const from = memory<T>(vectors, size, "vectors");
    T* const to = memory<T>(out, size, "products");
    T* const room = memory<T>(workspace, c.workspace_numbers(m), "workspace");
    const CurvatureKind named = kind == "hessian" ? CurvatureKind::hessian : CurvatureKind::gauss_newton;
    const py::gil_scoped_release release;
    c.products(blas(handle), stream_of(stream, device), named, from, m, to, room);
  }

  void scores(const py::object& state, const py::object& vectors, const py::object& out,
              const py::object& workspace, std::uintptr_t handle, std::uintptr_t stream, int device) const {
    const auto c = curvature(state_of(state));
    const std::size_t m = extent(vectors, 0);
    const T* const from = memory<T>(vectors, m * c.parameters(), "vectors");
    T* const to = memory<T>(out, m * n_, "scores");
    T* const room = memory<T>(workspace, c.workspace_numbers(m), "workspace");
    const py::gil_scoped_release release;
    c.scores(blas(handle), stream_of(stream, device), from, m, to, room);
  }

 private:
  cuda::DeviceCurvature<T> curvature(T* state) const {
    return {layers_, loss_, inputs_, targets_, n_, state};
  }
  T* state_of(const py::object& state) const { return memory<T>(state, state_numbers(), "state"); }
  static cuda::BlasTable blas(std::uintptr_t handle) {
    if (!table.sgemm) throw std::runtime_error("expected the functions of cuBLAS: call set_blas first");
    cuda::BlasTable own = table;
    own.handle = reinterpret_cast<void*>(handle);
    return own;
  }

  py::object kept_;
  std::size_t n_;
  ChainView<T> layers_;
  Loss loss_;
  const T *inputs_ = nullptr, *targets_ = nullptr;
};

template <class T>
void define(py::module_& m, const char* name) {
  using Problem = DeviceProblem<T>;
  py::class_<Problem>(m, name)
      .def(py::init<const py::list&, const py::list&, const std::vector<std::string>&, const std::string&,
                    double, const py::object&, const py::object&>(),
           py::arg("weights"), py::arg("biases"), py::arg("activations"), py::arg("loss"),
           py::arg("temperature"), py::arg("inputs"), py::arg("targets"))
      .def_property_readonly("parameters", &Problem::parameters)
      .def_property_readonly("state_numbers", &Problem::state_numbers)
      .def_property_readonly("outputs_at", &Problem::outputs_at)
      .def("workspace_numbers", &Problem::workspace_numbers, py::arg("m"))
      .def("evaluate", &Problem::evaluate, py::arg("state"), py::arg("losses"), py::arg("handle"),
           py::arg("stream"), py::arg("device"))
      .def("input_gradients", &Problem::input_gradients, py::arg("state"), py::arg("output"), py::arg("out"),
           py::arg("handle"), py::arg("stream"), py::arg("device"))
      .def("products", &Problem::products, py::arg("state"), py::arg("kind"), py::arg("vectors"),
           py::arg("out"), py::arg("workspace"), py::arg("handle"), py::arg("stream"), py::arg("device"))
      .def("scores", &Problem::scores, py::arg("state"), py::arg("vectors"), py::arg("out"),
           py::arg("workspace"), py::arg("handle"), py::arg("stream"), py::arg("device"));
}

}  // namespace

void register_curvature(py::module_& m) {
  m.def("set_blas", &set_blas, py::arg("sgemm"), py::arg("dgemm"));
  define<float>(m, "Curvature32");
  define<double>(m, "Curvature64");
}

}  // namespace divulge::bindings
