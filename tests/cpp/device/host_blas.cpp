#include "device/host_blas.h"

#include "core/linalg/blas.h"

using namespace divulge;

namespace {

// Column-major (rows, ld) is row-major (ld columns) transposed: c' = op(b)' op(a)'.
template <class T>
DIVULGE_HOST_GEMM(host_gemm, T) {
  if (ldc != m || lda != (op_a ? k : m) || ldb != (op_b ? n : k)) return 7;
  const auto size = [](int x) { return static_cast<std::size_t>(x); };
  const MatrixView<const T> left{a, size(op_a ? m : k), size(lda)}, right{b, size(op_b ? k : n), size(ldb)};
  gemm<T>(op_b ? Op::transpose : Op::none, op_a ? Op::transpose : Op::none, *alpha, right, left, *beta,
          MatrixView<T>{c, size(n), size(m)});
  return 0;
}

}  // namespace

DIVULGE_HOST_GEMM(divulge_host_sgemm, float) {
  return host_gemm<float>(nullptr, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

DIVULGE_HOST_GEMM(divulge_host_dgemm, double) {
  return host_gemm<double>(nullptr, op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
