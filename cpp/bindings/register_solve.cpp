#include <pybind11/stl.h>

#include <memory>

#include "bindings/arrays.h"
#include "bindings/register.h"
#include "core/linalg/least_squares.h"
#include "core/lines/reconstruct_batch.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

// a (count, m, n), b (count, m, k) -> x (count, n, k), relative residuals (count,), 1 / conditions (count,)
py::tuple solve(const Array<double>& a, const Array<double>& b) {
  check_ndim(a, 3, "a", "(count, m, n)");
  check_ndim(b, 3, "b", "(count, m, k)");
  if (extent(a, 0) != extent(b, 0) || extent(a, 1) != extent(b, 1))
    throw std::invalid_argument("expected b of shape (" + std::to_string(extent(a, 0)) + ", " +
                                std::to_string(extent(a, 1)) + ", k), got " + shape_text(b));
  const std::size_t count = extent(a, 0), m = extent(a, 1), n = extent(a, 2), k = extent(b, 2);
  Array<double> x({a.shape(0), a.shape(2), b.shape(2)});
  Array<double> residuals = new_array<double>(count), conditions = new_array<double>(count);
  {
    const MatrixView<double> x_view{x.mutable_data(), count * n, k};
    const Span<double> r = span(residuals), c = span(conditions);
    const MatrixView<const double> a_view{a.data(), count * m, n}, b_view{b.data(), count * m, k};
    const py::gil_scoped_release release;
    least_squares(count, a_view, b_view, x_view, r, c);
  }
  return py::make_tuple(x, residuals, conditions);
}

SignPattern signs(const Array<double>& jumps, const Array<double>& gradient, double tolerance) {
  const MatrixView<const double> d = matrix(jumps, "jumps");
  const Span<const double> g = vector(gradient, "gradient");
  const py::gil_scoped_release release;
  return sign_pattern(d, g, tolerance);
}

std::vector<OneLayerCopy> batch(const std::vector<std::shared_ptr<Oracle>>& oracles, std::uint64_t seed,
                                long long max_queries) {
  std::vector<Oracle*> pointers;
  for (const auto& oracle : oracles) {
    if (!oracle) throw std::invalid_argument("expected oracles, got None");
    pointers.push_back(oracle.get());
  }
  const py::gil_scoped_release release;
  return reconstruct_batch(pointers, seed, max_queries);
}

py::array_t<double> rows(const py::object& self) {
  const auto& copy = self.cast<const OneLayerCopy&>();
  return shared(copy.rows.data(), copy.hidden_units(), copy.input_size, self);
}

}  // namespace

void register_solve(py::module_& m) {
  py::class_<SignPattern>(m, "SignPattern")
      .def_property_readonly("beta", shared_vector(&SignPattern::beta))
      .def_readonly("residual", &SignPattern::residual)
      .def_readonly("condition", &SignPattern::condition)
      .def_readonly("binary", &SignPattern::binary);
  py::class_<OneLayerCopy>(m, "OneLayerCopy")
      .def_property_readonly("rows", &rows)
      .def_property_readonly("offsets", shared_vector(&OneLayerCopy::offsets))
      .def_property_readonly("output_weights", shared_vector(&OneLayerCopy::output_weights))
      .def_readonly("output_bias", &OneLayerCopy::output_bias)
      .def_readonly("certificate", &OneLayerCopy::certificate)
      .def_readonly("queries", &OneLayerCopy::queries)
      .def_readonly("clean", &OneLayerCopy::clean)
      .def_readonly("status", &OneLayerCopy::status);
  m.def("least_squares", &solve, py::arg("a"), py::arg("b"));
  m.def("sign_pattern", &signs, py::arg("jumps"), py::arg("gradient"), py::arg("tolerance") = 1e-6);
  m.def("reconstruct_batch", &batch, py::arg("oracles"), py::arg("seed") = 0, py::arg("max_queries") = -1);
}

}  // namespace divulge::bindings
