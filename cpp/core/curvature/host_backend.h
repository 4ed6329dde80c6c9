#pragma once

#include <cstddef>

#include "core/linalg/blas.h"
#include "kernels/activation.h"
#include "kernels/losses.h"

namespace divulge {

// The stages of the passes over a chain, on the calling thread. A back end is a type with these members,
// which may be queued instead of run; cuda/backend.h has the other one. Each elementwise stage is one pass
// over its block. Blocks of m vectors are (n, m, h) with a vector's numbers together.
template <class T>
struct HostBackend {
  using Number = T;

  // c (m, n) = op(a) (m, k) op(b) (k, n) + beta c
  static void gemm(Op op_a, Op op_b, MatrixView<const T> a, MatrixView<const T> b, T beta, MatrixView<T> c) {
    divulge::gemm<T>(op_a, op_b, 1, a, b, beta, c);
  }

  // sums (h,) += the sum of the rows of a (n, h), with n ones.
  static void add_column_sums(MatrixView<const T> a, const T* ones, T* sums) {
    gemv<T>(Op::transpose, 1, a, {ones, a.rows}, 1, Span<T>{sums, a.cols});
  }

  // z (n, h) = s(z + b), b (h,) or null.
  static void activate(Activation kind, const T* bias, std::size_t n, std::size_t h, T* z);

  // delta (n, h) *= s'; where bend is not null it gets (s''/s') delta's old value.
  static void backpropagate(Activation kind, const T* a, std::size_t size, T* delta, T* bend);

  // r (n, m, h) = s'(a (n, h)) (r + c (m, h)), c may be null.
  static void tangent(Activation kind, const T* a, const T* c, std::size_t n, std::size_t m, std::size_t h,
                      T* r);

  // ra (n, m, h) = s'(a (n, h)) r (n, m, h) + bend (n, h) ra; bend may be null.
  static void tangent_backward(Activation kind, const T* a, const T* bend, const T* r, std::size_t n,
                               std::size_t m, std::size_t h, T* ra);

  // Losses (n,) (may be null), gradients (n, k) by z (n, k) and the curvatures (n, k) there; y (n, targets).
  static void evaluate_loss(const Loss& loss, const T* z, const T* y, std::size_t n, std::size_t k,
                            std::size_t targets, T* losses, T* gradients, T* curvature);

  // r (n, m, k) = H_loss (r + c), with c (m, k) or null.
  static void loss_hessian(const Loss& loss, const T* curvature, const T* c, std::size_t n, std::size_t m,
                           std::size_t k, T* r);

  // scores (m, stride), the first n of each row, += the sum over h of delta (n, h) (u (n, m, h) + c (m, h));
  // c may be null.
  static void add_row_dots(const T* delta, const T* u, const T* c, std::size_t n, std::size_t m,
                           std::size_t h, std::size_t stride, T* scores);
};

}  // namespace divulge
