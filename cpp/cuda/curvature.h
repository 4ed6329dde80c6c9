#pragma once

#include <cstddef>

#include "core/curvature/r_operator.h"
#include "core/curvature/views.h"
#include "cuda/gemm.h"
#include "kernels/launch.h"

namespace divulge::cuda {

// The curvature of a chain's mean loss, as core/curvature/curvature.h gives it, from memory that the caller
// owns: `state` (what depends on the parameters alone) and a workspace of each call. Everything is queued on
// the stream of the table's handle, which must be `stream`; nothing is allocated there and nothing waited
// for.
template <class T>
class DeviceCurvature {
 public:
  // Parameters on the device; inputs (n, d), targets (n, K) of the squared loss, else (n, 1).
  DeviceCurvature(ChainView<T> chain, Loss loss, const T* inputs, const T* targets, std::size_t n, T* state);

  std::size_t parameters() const { return divulge::parameters(chain_); }
  std::size_t state_numbers() const { return state_numbers_; }
  std::size_t workspace_numbers(std::size_t m) const;  // of m vectors

  // Outputs, deltas and losses' curvatures, into the state; losses (n,) may be null.
  void evaluate(const BlasTable& blas, const Stream& stream, T* losses) const;

  // Outputs alone, and the gradients (n, d) of one output by the inputs, into the state's deltas and `out`.
  void input_gradients(const BlasTable& blas, const Stream& stream, std::size_t output, T* out) const;

  // (n, h_l), of layer l.
  T* output(std::size_t l) const { return state_.outputs[l].data; }
  std::size_t output_place(std::size_t l) const;  // in the state

  // out (m, P) = C vectors (m, P).
  void products(const BlasTable& blas, const Stream& stream, CurvatureKind kind, const T* vectors,
                std::size_t m, T* out, T* workspace) const;

  // out (m, n): the inner product of sample i's gradient with vector j.
  void scores(const BlasTable& blas, const Stream& stream, const T* vectors, std::size_t m, T* out,
              T* workspace) const;

 private:
  ChainView<T> chain_;
  Loss loss_;
  const T* targets_;
  std::size_t n_, state_numbers_;
  StateView<T> state_;
};

}  // namespace divulge::cuda
