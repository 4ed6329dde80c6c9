
#include "bindings/arrays.h"
#include "bindings/register.h"
#include "core/linalg/blas.h"
#include "core/parallel/thread_pool.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

using Square = py::array_t<double, py::array::c_style>;

MatrixView<double> square(Square& a) {
  if (a.ndim() != 2 || a.shape(0) != a.shape(1))
    throw std::invalid_argument("expected a matrix of shape (n, n), got " + shape_text(a));
  return {a.mutable_data(), extent(a, 0), extent(a, 1)};
}

void factorize(Square a) {
  const MatrixView<double> view = square(a);
  const py::gil_scoped_release release;
  cholesky(view);
}

void invert(Square factor) {
  const MatrixView<double> view = square(factor);
  const py::gil_scoped_release release;
  cholesky_inverse(view);
}

// vectors (m, n): one solution a row.
Array<double> solve_with_factor(Square factor, const Array<double>& vectors) {
  const MatrixView<const double> l = square(factor), b = matrix(vectors, "vectors");
  if (b.cols != l.rows)
    throw std::invalid_argument("expected vectors of " + std::to_string(l.rows) + " numbers, got " +
                                std::to_string(b.cols));
  Array<double> out = new_array<double>(b.rows, b.cols);
  const MatrixView<double> x = view(out);
  const py::gil_scoped_release release;
  parallel_for(b.rows, 64, [&](std::size_t begin, std::size_t end) {
    std::vector<double> columns(b.cols * (end - begin));
    for (std::size_t i = begin; i < end; ++i)
      for (std::size_t j = 0; j < b.cols; ++j) columns[j * (end - begin) + i - begin] = b(i, j);
    cholesky_solve<double>(l, {columns.data(), b.cols, end - begin});
    for (std::size_t i = begin; i < end; ++i)
      for (std::size_t j = 0; j < b.cols; ++j) x(i, j) = columns[j * (end - begin) + i - begin];
  });
  return out;
}

}  // namespace

void register_cholesky(py::module_& m) {
  m.def("cholesky", &factorize, py::arg("a").noconvert());
  m.def("cholesky_inverse", &invert, py::arg("factor").noconvert());
  m.def("cholesky_solve", &solve_with_factor, py::arg("factor").noconvert(), py::arg("vectors"));
}

}  // namespace divulge::bindings
