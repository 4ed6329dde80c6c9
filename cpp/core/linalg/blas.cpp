#include "core/linalg/blas.h"

#include <cblas.h>

#include <algorithm>

#include "core/linalg/blas_checks.h"

namespace divulge {
namespace {

using detail::blas_int;
using detail::leading;
using detail::require_equal;

// We split work over our own threads, so OpenBLAS must not. Runs when the library is loaded.
[[maybe_unused]] const bool one_thread = (scipy_openblas_set_num_threads(1), true);

CBLAS_TRANSPOSE cblas_op(Op op) { return op == Op::none ? CblasNoTrans : CblasTrans; }

template <class T>
std::size_t op_rows(Op op, MatrixView<const T> a) {
  return op == Op::none ? a.rows : a.cols;
}

template <class T>
std::size_t op_cols(Op op, MatrixView<const T> a) {
  return op == Op::none ? a.cols : a.rows;
}

// BLAS leaves y alone when the inner dimension is empty; the sum over nothing is zero.
template <class T>
void scale(T beta, T* y, std::size_t n) {
  if (beta == T(0))
    std::fill(y, y + n, T(0));
  else
    std::transform(y, y + n, y, [beta](T v) { return beta * v; });
}

#define DIVULGE_OVERLOAD(T, p)                                                                           \
  void call_gemm(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k, T alpha,       \
                 const T* a, blasint lda, const T* b, blasint ldb, T beta, T* c, blasint ldc) {          \
    scipy_cblas_##p##gemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);          \
  }                                                                                                      \
  void call_gemv(CBLAS_TRANSPOSE ta, blasint m, blasint n, T alpha, const T* a, blasint lda, const T* x, \
                 T beta, T* y) {                                                                         \
    scipy_cblas_##p##gemv(CblasRowMajor, ta, m, n, alpha, a, lda, x, 1, beta, y, 1);                     \
  }                                                                                                      \
  void call_syrk(blasint n, blasint k, T alpha, const T* a, T beta, T* c) {                              \
    scipy_cblas_##p##syrk(CblasRowMajor, CblasLower, CblasTrans, n, k, alpha, a, n, beta, c, n);         \
  }                                                                                                      \
  T call_dot(blasint n, const T* x, const T* y) { return scipy_cblas_##p##dot(n, x, 1, y, 1); }
DIVULGE_OVERLOAD(float, s)
DIVULGE_OVERLOAD(double, d)
#undef DIVULGE_OVERLOAD

}  // namespace

template <class T>
void gemm(Op op_a, Op op_b, Input<T> alpha, ConstMatrix<T> a, ConstMatrix<T> b, Input<T> beta,
          MatrixView<T> c) {
  const std::size_t k = op_cols<T>(op_a, a);
  require_equal("gemm: rows of op(b)", op_rows<T>(op_b, b), k);
  require_equal("gemm: rows of c", c.rows, op_rows<T>(op_a, a));
  require_equal("gemm: columns of c", c.cols, op_cols<T>(op_b, b));
  if (c.size() == 0) return;
  if (k == 0) return scale(beta, c.data, c.size());
  call_gemm(cblas_op(op_a), cblas_op(op_b), blas_int(c.rows), blas_int(c.cols), blas_int(k), alpha, a.data,
            leading(a.cols), b.data, leading(b.cols), beta, c.data, leading(c.cols));
}

template <class T>
void syrk(Input<T> alpha, ConstMatrix<T> a, Input<T> beta, MatrixView<T> c) {
  require_equal("syrk: rows of c", c.rows, a.cols);
  require_equal("syrk: columns of c", c.cols, a.cols);
  if (c.size() == 0) return;
  if (a.rows > 0) return call_syrk(blas_int(a.cols), blas_int(a.rows), alpha, a.data, beta, c.data);
  for (std::size_t i = 0; i < c.rows; ++i) scale(beta, c.row(i).data, i + 1);
}

template <class T>
void gemv(Op op_a, Input<T> alpha, ConstMatrix<T> a, ConstSpan<T> x, Input<T> beta, Span<T> y) {
  require_equal("gemv: size of x", x.size, op_cols<T>(op_a, a));
  require_equal("gemv: size of y", y.size, op_rows<T>(op_a, a));
  if (y.size == 0) return;
  if (beta == T(0)) scale(beta, y.data, y.size);
  if (x.size == 0) return scale(beta, y.data, y.size);
  call_gemv(cblas_op(op_a), blas_int(a.rows), blas_int(a.cols), alpha, a.data, leading(a.cols), x.data, beta,
            y.data);
}

template <class T>
T dot(Span<const T> x, Span<const T> y) {
  require_equal("dot: size of y", y.size, x.size);
  return x.size == 0 ? T(0) : call_dot(blas_int(x.size), x.data, y.data);
}

std::string blas_description() {
  return std::string(scipy_openblas_get_config()) + " (" + scipy_openblas_get_corename() + ")";
}

#define DIVULGE_INSTANTIATE(T)                                                                      \
  template void gemm<T>(Op, Op, Input<T>, ConstMatrix<T>, ConstMatrix<T>, Input<T>, MatrixView<T>); \
  template void syrk<T>(Input<T>, ConstMatrix<T>, Input<T>, MatrixView<T>);                         \
  template void gemv<T>(Op, Input<T>, ConstMatrix<T>, ConstSpan<T>, Input<T>, Span<T>);             \
  template T dot<T>(Span<const T>, Span<const T>);
DIVULGE_INSTANTIATE(float)
DIVULGE_INSTANTIATE(double)
#undef DIVULGE_INSTANTIATE

}  // namespace divulge
