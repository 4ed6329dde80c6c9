#include <memory>

#include "bindings/curvature_arguments.h"
#include "bindings/register.h"
#include "core/curvature/curvature.h"
#include "core/curvature/glm.h"
#include "core/curvature/kronecker.h"

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

Array<double> array_of(const std::vector<double>& values, std::size_t rows, std::size_t cols) {
  Array<double> out = new_array<double>(rows, cols);
  std::copy(values.begin(), values.end(), out.mutable_data());
  return out;
}

template <class T>
std::vector<py::tuple> factors(const BoundCurvature<T>& self, const Array<T>& cotangents) {
  const MatrixView<const T> c = matrix(cotangents, "cotangents");
  std::vector<KroneckerFactors<T>> found;
  {
    const py::gil_scoped_release release;
    found = kronecker_factors(self.core, c);
  }
  std::vector<py::tuple> out;
  for (const KroneckerFactors<T>& f : found)
    out.push_back(
        py::make_tuple(array_of(f.inner, f.inputs, f.inputs), array_of(f.outer, f.outputs, f.outputs)));
  return out;
}

template <class T>
std::vector<Array<double>> eigenvalues(const BoundCurvature<T>& self, const Array<T>& cotangents,
                                       const std::vector<Array<T>>& inner,
                                       const std::vector<Array<T>>& outer) {
  const MatrixView<const T> c = matrix(cotangents, "cotangents");
  std::vector<MatrixView<const T>> v, u;
  for (const Array<T>& basis : inner) v.push_back(matrix(basis, "a basis"));
  for (const Array<T>& basis : outer) u.push_back(matrix(basis, "a basis"));
  std::vector<std::vector<double>> found;
  {
    const py::gil_scoped_release release;
    found = kronecker_eigenvalues(self.core, c, v, u);
  }
  std::vector<Array<double>> out;
  for (std::size_t l = 0; l < found.size(); ++l) out.push_back(array_of(found[l], u[l].cols, v[l].cols));
  return out;
}

template <class T>
Array<double> quadratic(const BoundCurvature<T>& self, const Array<T>& cotangents,
                        const std::vector<Array<T>>& inner, const std::vector<Array<T>>& outer,
                        const std::vector<Array<T>>& weights) {
  const MatrixView<const T> c = matrix(cotangents, "cotangents");
  if (inner.size() != outer.size() || inner.size() != weights.size())
    throw std::invalid_argument("expected as many bases as weights (" + std::to_string(weights.size()) + ")");
  std::vector<KroneckerForm<T>> forms;
  for (std::size_t l = 0; l < weights.size(); ++l)
    forms.push_back(
        {matrix(outer[l], "a basis"), matrix(inner[l], "a basis"), matrix(weights[l], "weights")});
  Array<double> out = new_array<double>(self.core.rows());
  const Span<double> s = span(out);
  const py::gil_scoped_release release;
  kronecker_quadratic(self.core, c, forms, s);
  return out;
}

template <class T>
Array<double> dense_hessian(const BoundCurvature<T>& self) {
  const std::size_t p = self.core.chain().parameters();
  Array<double> out = new_array<double>(p, p);
  const MatrixView<double> h = view(out);
  const py::gil_scoped_release release;
  glm_hessian(self.core, h);
  return out;
}

template <class T>
py::tuple leverages(const BoundCurvature<T>& self, const Array<double>& inverse) {
  const MatrixView<const double> h = matrix(inverse, "an inverse");
  const std::size_t n = self.core.rows(), k = self.core.chain().outputs(), p = self.core.chain().parameters();
  if (h.rows != p || h.cols != p)
    throw std::invalid_argument("expected an inverse of shape (" + std::to_string(p) + ", " +
                                std::to_string(p) + "), got " + shape_text(inverse));
  Array<T> m = new_array<T>(n, k * k), a = new_array<T>(n, k * k);
  {
    const MatrixView<T> m_view = view(m), a_view = view(a);
    const py::gil_scoped_release release;
    glm_leverages(self.core, h, m_view);
    glm_loss_hessians(self.core, a_view);
  }
  return py::make_tuple(m, a);
}

template <class T>
void register_curvature_as(py::module_& m, const char* name) {
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
      .def("sample_gradients", &sample_gradients<T>, py::arg("cotangents"))
      .def("kronecker_factors", &factors<T>, py::arg("cotangents"))
      .def("kronecker_eigenvalues", &eigenvalues<T>, py::arg("cotangents"), py::arg("inner"),
           py::arg("outer"))
      .def("kronecker_quadratic", &quadratic<T>, py::arg("cotangents"), py::arg("inner"), py::arg("outer"),
           py::arg("weights"))
      .def("dense_hessian", &dense_hessian<T>)
      .def("leverages", &leverages<T>, py::arg("inverse"));
}

}  // namespace

void register_curvature(py::module_& m) {
  register_curvature_as<float>(m, "Curvature32");
  register_curvature_as<double>(m, "Curvature64");
}

}  // namespace divulge::bindings
