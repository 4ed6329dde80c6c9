#pragma once

#include "core/linalg/blas.h"
#include "kernels/launch.h"

// Matrix products on the device. Nothing here links with cuBLAS: PyTorch has loaded one, and hands us its
// functions.
namespace divulge::cuda {

// cublasSgemm_v2 and cublasDgemm_v2: column-major, 0 for an operand as it is and 1 for its transpose.
template <class T>
using BlasGemm = int (*)(void* handle, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a,
                         int lda, const T* b, int ldb, const T* beta, T* c, int ldc);

struct BlasTable {
  void* handle = nullptr;  // whose stream is set
  BlasGemm<float> sgemm = nullptr;
  BlasGemm<double> dgemm = nullptr;
};

// c (m, n) = alpha op(a) (m, k) op(b) (k, n) + beta c, row-major, queued on the handle's stream: as the
// product c' = op(b)' op(a)' of the column-major matrices that the same numbers are. An empty sum adds
// nothing, and leaves c as it is.
template <class T>
void gemm(const BlasTable& table, Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const T> b,
          T beta, MatrixView<T> c);

}  // namespace divulge::cuda
