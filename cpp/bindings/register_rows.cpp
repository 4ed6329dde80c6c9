#include <string>

#include "bindings/arrays.h"
#include "bindings/register.h"
#include "core/linalg/masked_least_squares.h"
#include "core/rows/match_rows.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

// One basis (h, d), or a stack (n, h, d) of them one under the other.
MatrixView<const double> basis_view(const Array<double>& rows, std::size_t problems) {
  if (rows.ndim() == 2) return matrix(rows, "basis");
  check_ndim(rows, 3, "basis", "(h, d) or (n, h, d)");
  if (extent(rows, 0) != problems)
    throw std::invalid_argument("expected one basis or " + std::to_string(problems) +
                                " of them, one a problem, got " + std::to_string(extent(rows, 0)));
  return {rows.data(), extent(rows, 0) * extent(rows, 1), extent(rows, 2)};
}

// basis (h, d) or (n, h, d), targets (n, d), masks (n, h) -> coefficients (n, h), relative residuals, ranks
// (n,)
py::tuple masked(const Array<double>& basis, const Array<double>& targets, const Array<bool>& masks,
                 double tolerance) {
  const MatrixView<const double> t = matrix(targets, "targets"), b = basis_view(basis, t.rows);
  const MatrixView<const bool> m = matrix(masks, "masks");
  const std::size_t h = extent(basis, basis.ndim() - 2);
  if (m.rows != t.rows || m.cols != h)
    throw std::invalid_argument("expected masks of shape (" + std::to_string(t.rows) + ", " +
                                std::to_string(h) + "), got " + shape_text(masks));
  Array<double> coefficients = new_array<double>(t.rows, h), residuals = new_array<double>(t.rows);
  Array<std::int64_t> ranks = new_array<std::int64_t>(t.rows);
  const MaskedSolutions out{view(coefficients), span(residuals), span(ranks)};
  {
    const py::gil_scoped_release release;
    masked_least_squares(b, t, m, tolerance, out);
  }
  return py::make_tuple(coefficients, residuals, ranks);
}

// rows (n, h), masks (n, h), offsets (n,) -> labels (n,), factors (n,)
py::tuple match(const Array<double>& rows, const Array<bool>& masks, const Array<double>& offsets,
                double tolerance, std::size_t overlap) {
  const MatrixView<const double> r = matrix(rows, "rows");
  const MatrixView<const bool> m = matrix(masks, "masks");
  const Span<const double> o = vector(offsets, "offsets");
  RowGroups groups;
  {
    const py::gil_scoped_release release;
    groups = match_rows(r, m, o, tolerance, overlap);
  }
  const auto n = static_cast<py::ssize_t>(groups.labels.size());
  return py::make_tuple(py::array_t<std::int64_t>(n, groups.labels.data()),
                        py::array_t<double>(n, groups.factors.data()));
}

}  // namespace

void register_rows(py::module_& m) {
  m.def("masked_least_squares", &masked, py::arg("basis"), py::arg("targets"), py::arg("masks"),
        py::arg("tolerance") = 1e-10);
  m.def("match_rows", &match, py::arg("rows"), py::arg("masks"), py::arg("offsets"),
        py::arg("tolerance") = 1e-9, py::arg("overlap") = 3);
}

}  // namespace divulge::bindings
