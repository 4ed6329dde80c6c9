#include <string>

#include "bindings/arrays.h"
#include "bindings/register.h"
#include "core/boosting/refit.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

// leaves (T K, n), first (T K + 1,), targets (n, K), weights (n,), start (K, b), rows and columns (pairs,)
// that are left out -> the values of all leaves (L, b)
Array<double> refit(const std::string& loss, const Array<std::int32_t>& leaves,
                    const Array<std::int64_t>& first, const Array<double>& targets,
                    const Array<double>& weights, const Array<double>& start, const Array<std::int64_t>& rows,
                    const Array<std::int64_t>& columns, double rate, double l2, double curvature) {
  const MatrixView<const double> y = matrix(targets, "targets"), begin = matrix(start, "start");
  const MatrixView<const std::int32_t> leaf = matrix(leaves, "leaves");
  const Span<const std::int64_t> offsets = vector(first, "first"), out = vector(rows, "rows"),
                                 of = vector(columns, "columns");
  if (y.cols == 0 || offsets.size == 0 || offsets[offsets.size - 1] < 0)
    throw std::invalid_argument("boosting again: expected a tree, got none");
  const FixedBoosting boosting{boosting_loss(loss),       rate, l2,      curvature,
                               leaf.rows / y.cols,        leaf, offsets, y,
                               vector(weights, "weights")};
  Array<double> values = new_array<double>(static_cast<std::size_t>(offsets[offsets.size - 1]), begin.cols);
  const MatrixView<double> view_of_values = view(values);
  {
    const py::gil_scoped_release release;
    refit_boosting(boosting, begin, out, of, view_of_values);
  }
  return values;
}

}  // namespace

void register_boosting(py::module_& m) {
  m.def("refit_boosting", &refit, py::arg("loss"), py::arg("leaves"), py::arg("first"), py::arg("targets"),
        py::arg("weights"), py::arg("start"), py::arg("rows"), py::arg("columns"), py::kw_only(),
        py::arg("rate"), py::arg("l2") = 0.0, py::arg("curvature") = 1.0);
}

}  // namespace divulge::bindings
