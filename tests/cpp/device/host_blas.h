#pragma once

// cuBLAS's calls on the host: products of column-major matrices without gaps, by the library's own.
#define DIVULGE_HOST_GEMM(name, T)                                                                          \
  int name(void*, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a, int lda, const T* b, \
           int ldb, const T* beta, T* c, int ldc)

extern "C" {
__attribute__((visibility("default"))) DIVULGE_HOST_GEMM(divulge_host_sgemm, float);
__attribute__((visibility("default"))) DIVULGE_HOST_GEMM(divulge_host_dgemm, double);
}
