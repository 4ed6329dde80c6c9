#pragma once

#include <cstddef>

#include "core/curvature/views.h"
#include "cuda/gemm.h"
#include "kernels/launch.h"
#include "kernels/losses.h"

namespace divulge::cuda {

// The stages of the passes over a chain, queued on a stream; core/curvature/host_backend.h says what each
// does.
template <class T>
class DeviceBackend {
 public:
  using Number = T;

  // Both must outlive the object; the table's handle must be set to the stream.
  DeviceBackend(const BlasTable& blas, const Stream& stream) : blas_(blas), stream_(stream) {}

  void gemm(Op op_a, Op op_b, MatrixView<const T> a, MatrixView<const T> b, T beta, MatrixView<T> c) const {
    cuda::gemm<T>(blas_, op_a, op_b, 1, a, b, beta, c);
  }
  void add_column_sums(MatrixView<const T> a, const T* ones, T* sums) const {
    gemm(Op::none, Op::none, {ones, 1, a.rows}, a, 1, {sums, 1, a.cols});
  }
  void activate(Activation kind, const T* bias, std::size_t n, std::size_t h, T* z) const;
  void backpropagate(Activation kind, const T* a, std::size_t size, T* delta, T* bend) const;
  void tangent(Activation kind, const T* a, const T* c, std::size_t n, std::size_t m, std::size_t h,
               T* r) const;
  void tangent_backward(Activation kind, const T* a, const T* bend, const T* r, std::size_t n, std::size_t m,
                        std::size_t h, T* ra) const;
  void evaluate_loss(const Loss& loss, const T* z, const T* y, std::size_t n, std::size_t k,
                     std::size_t targets, T* losses, T* gradients, T* curvature) const;
  void loss_hessian(const Loss& loss, const T* curvature, const T* c, std::size_t n, std::size_t m,
                    std::size_t k, T* r) const;
  void add_row_dots(const T* delta, const T* u, const T* c, std::size_t n, std::size_t m, std::size_t h,
                    std::size_t stride, T* scores) const;

  // x (size,) = value
  void fill(T* x, std::size_t size, T value) const;

  // x = 1 in one column, else 0.
  void fill_column(MatrixView<T> x, std::size_t column) const;

  // Flat vectors (m, P) into both forms of their blocks.
  void pack(const ChainView<T>& chain, const T* vectors, const LayerBlocksView<T>& to) const;

  // out (m, P) = scale times the sum of both forms.
  void unpack(const ChainView<T>& chain, const LayerBlocksView<T>& from, T scale, T* out) const;

 private:
  template <class Kernel>
  void run(const Kernel& kernel, std::size_t work) const;

  const BlasTable& blas_;
  const Stream& stream_;
};

}  // namespace divulge::cuda
