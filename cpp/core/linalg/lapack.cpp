// The LAPACK half of blas.h. QrFactor keeps a column-major copy: the LQ factors of a', which would need no
// transposition, take 1.7 times as long to compute.
#include <stdexcept>

#include "core/linalg/blas.h"
#include "core/linalg/blas_checks.h"
#include "core/linalg/lapack_calls.h"

namespace divulge {
namespace {

using detail::blas_int;
using detail::leading;
using detail::require_equal;

template <class T>
void transpose(MatrixView<const T> a, T* out) {
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) out[j * a.rows + i] = a(i, j);
}

}  // namespace

template <class T>
QrFactor<T>::QrFactor(MatrixView<const T> a) : rows_(a.rows), cols_(a.cols), factor_(a.size()), tau_(a.cols) {
  if (rows_ < cols_)
    throw std::invalid_argument("QrFactor: expected at least as many rows as columns, got " +
                                std::to_string(rows_) + " by " + std::to_string(cols_));
  if (cols_ == 0) return;
  transpose(a, factor_.data());
  const blasint n = blas_int(cols_), m = blas_int(rows_);
  T size = 0;
  lapack::geqrf(m, n, factor_.data(), m, tau_.data(), &size, -1);
  std::vector<T> work(static_cast<std::size_t>(size));
  lapack::geqrf(m, n, factor_.data(), m, tau_.data(), work.data(), blas_int(work.size()));
}

template <class T>
T QrFactor<T>::reciprocal_condition() const {
  if (cols_ == 0) return T(1);
  T answer = 0;
  std::vector<T> work(3 * cols_);
  std::vector<blasint> integer_work(cols_);
  lapack::trcon('1', 'U', blas_int(cols_), factor_.data(), leading(rows_), &answer, work.data(),
                integer_work.data());
  return answer;
}

template <class T>
void QrFactor<T>::copy_r(MatrixView<T> columns) const {
  require_equal("QrFactor::copy_r: rows", columns.rows, cols_);
  require_equal("QrFactor::copy_r: columns", columns.cols, cols_);
  for (std::size_t j = 0; j < cols_; ++j)
    for (std::size_t i = 0; i < cols_; ++i) columns(j, i) = i <= j ? factor_[j * rows_ + i] : T(0);
}

template <class T>
void QrFactor<T>::rotate(MatrixView<T> rows) const {
  require_equal("QrFactor::rotate: columns", rows.cols, rows_);
  if (rows.rows == 0 || cols_ == 0) return;
  const blasint n = blas_int(cols_), m = blas_int(rows_), k = blas_int(rows.rows);
  T size = 0;
  lapack::ormqr('L', 'T', m, k, n, factor_.data(), m, tau_.data(), rows.data, m, &size, -1);
  std::vector<T> work(static_cast<std::size_t>(size));
  lapack::ormqr('L', 'T', m, k, n, factor_.data(), m, tau_.data(), rows.data, m, work.data(),
                blas_int(work.size()));
}

template <class T>
void QrFactor<T>::solve(MatrixView<const T> b, MatrixView<T> x) const {
  require_equal("QrFactor::solve: rows of b", b.rows, rows_);
  require_equal("QrFactor::solve: rows of x", x.rows, cols_);
  require_equal("QrFactor::solve: columns of x", x.cols, b.cols);
  if (x.size() == 0) return;
  std::vector<T> rhs(b.size());  // column-major (m, k)
  transpose(b, rhs.data());
  rotate({rhs.data(), b.cols, rows_});
  const blasint n = blas_int(cols_), m = blas_int(rows_), k = blas_int(b.cols);
  if (lapack::trtrs('U', 'N', n, k, factor_.data(), m, rhs.data(), m) != 0)
    throw std::runtime_error("least squares: the columns of the matrix are linearly dependent");
  for (std::size_t i = 0; i < x.rows; ++i)
    for (std::size_t j = 0; j < x.cols; ++j) x(i, j) = rhs[j * rows_ + i];
}

template <class T>
void cholesky(MatrixView<T> a) {
  require_equal("cholesky: columns of a", a.cols, a.rows);
  if (a.rows == 0) return;
  const blasint info = lapack::potrf('U', blas_int(a.rows), a.data, leading(a.cols));
  if (info != 0)
    throw std::runtime_error("cholesky: the leading minor of order " + std::to_string(info) +
                             " is not positive definite");
}

template <class T>
void cholesky_solve(MatrixView<const T> factor, MatrixView<T> b) {
  require_equal("cholesky_solve: columns of the factor", factor.cols, factor.rows);
  require_equal("cholesky_solve: rows of b", b.rows, factor.rows);
  if (b.size() == 0) return;
  std::vector<T> rhs(b.size());
  transpose<T>(b, rhs.data());
  const blasint n = blas_int(factor.rows), k = blas_int(b.cols);
  for (const char op : {'T', 'N'})
    if (lapack::trtrs('U', op, n, k, factor.data, n, rhs.data(), n) != 0)
      throw std::runtime_error("cholesky_solve: the factor has a zero on its diagonal");
  transpose<T>({rhs.data(), b.cols, b.rows}, b.data);
}

template <class T>
void cholesky_inverse(MatrixView<T> factor) {
  require_equal("cholesky_inverse: columns of the factor", factor.cols, factor.rows);
  if (factor.rows == 0) return;
  if (lapack::potri('U', blas_int(factor.rows), factor.data, leading(factor.cols)) != 0)
    throw std::runtime_error("cholesky_inverse: the factor has a zero on its diagonal");
}

#define DIVULGE_INSTANTIATE(T)                      \
  template class QrFactor<T>;                       \
  template void cholesky<T>(MatrixView<T>);         \
  template void cholesky_inverse<T>(MatrixView<T>); \
  template void cholesky_solve<T>(MatrixView<const T>, MatrixView<T>);
DIVULGE_INSTANTIATE(float)
DIVULGE_INSTANTIATE(double)
#undef DIVULGE_INSTANTIATE

}  // namespace divulge
