#include <memory>

#include "bindings/curvature_arguments.h"
#include "bindings/register.h"
#include "core/curvature.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

// A Curvature and the arrays that it reads.
template <class T>
struct BoundCurvature {
  Array<T> inputs, targets;
  Curvature<T> core;
};

template <class T>
std::unique_ptr<BoundCurvature<T>> make(const std::vector<Array<T>>& weights,
                                        const std::vector<std::optional<Array<T>>>& biases,
                                        const std::vector<std::string>& activations, const std::string& loss,
                                        const Array<T>& inputs, const Array<T>& targets, double temperature,
                                        bool cached) {
  Chain<T> chain = chain_of(weights, biases, activations);
  const MatrixView<const T> x = matrix(inputs, "inputs"), y = matrix(targets, "targets");
  const Loss kind = loss_named(loss, temperature);
  const py::gil_scoped_release release;
  Curvature<T> core(std::move(chain), kind, x, y, cached);
  const py::gil_scoped_acquire acquire;
  return std::unique_ptr<BoundCurvature<T>>(new BoundCurvature<T>{inputs, targets, std::move(core)});
}

template <class T>
py::tuple evaluate(const BoundCurvature<T>& self) {
  const std::size_t n = self.core.rows(), k = self.core.chain().outputs();
  Array<T> outputs = new_array<T>(n, k), gradients = new_array<T>(n, k), losses = new_array<T>(n);
  {
    const MatrixView<T> z = view(outputs), g = view(gradients);
    const Span<T> l = span(losses);
    const py::gil_scoped_release release;
    self.core.evaluate(z, g, l);
  }
  return py::make_tuple(outputs, gradients, losses);
}

template <class T>
Array<T> gradient(const BoundCurvature<T>& self) {
  Array<T> out = new_array<T>(self.core.chain().parameters());
  const Span<T> g = span(out);
  const py::gil_scoped_release release;
  self.core.gradient(g);
  return out;
}

template <class T, CurvatureKind kind>
Array<T> products(const BoundCurvature<T>& self, const Array<T>& vectors) {
  const MatrixView<const T> v = matrix(vectors, "vectors");
  Array<T> out = new_array<T>(v.rows, v.cols);
  const MatrixView<T> hv = view(out);
  const py::gil_scoped_release release;
  self.core.products(kind, v, hv);
  return out;
}

template <class T>
Array<T> scores(const BoundCurvature<T>& self, const Array<T>& vectors) {
  const MatrixView<const T> v = matrix(vectors, "vectors");
  Array<T> out = new_array<T>(v.rows, self.core.rows());
  const MatrixView<T> s = view(out);
  const py::gil_scoped_release release;
  self.core.scores(v, s);
  return out;
}

template <class T>
Array<T> sample_gradients(const BoundCurvature<T>& self, const Array<T>& cotangents) {
  const MatrixView<const T> c = matrix(cotangents, "cotangents");
  Array<T> out = new_array<T>(self.core.rows(), self.core.chain().parameters());
  const MatrixView<T> g = view(out);
  const py::gil_scoped_release release;
  self.core.sample_gradients(c, g);
  return out;
}

template <class T>
void register_as(py::module_& m, const char* name) {
  using Bound = BoundCurvature<T>;
  py::class_<Bound>(m, name)
      .def(py::init(&make<T>), py::arg("weights"), py::arg("biases"), py::arg("activations"), py::arg("loss"),
           py::arg("inputs"), py::arg("targets"), py::arg("temperature") = 0.0, py::arg("cached") = true)
      .def_property_readonly("rows", [](const Bound& self) { return self.core.rows(); })
      .def_property_readonly("parameters", [](const Bound& self) { return self.core.chain().parameters(); })
      .def("evaluate", &evaluate<T>)
      .def("gradient", &gradient<T>)
      .def("hessian_products", &products<T, CurvatureKind::hessian>, py::arg("vectors"))
      .def("gauss_newton_products", &products<T, CurvatureKind::gauss_newton>, py::arg("vectors"))
      .def("scores", &scores<T>, py::arg("vectors"))
      .def("sample_gradients", &sample_gradients<T>, py::arg("cotangents"));
}

}  // namespace

void register_curvature(py::module_& m) {
  register_as<float>(m, "Curvature32");
  register_as<double>(m, "Curvature64");
}

}  // namespace divulge::bindings
