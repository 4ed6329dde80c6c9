#pragma once

#include <cstddef>
#include <vector>

#include "core/curvature/curvature.h"
#include "cuda/gemm.h"
#include "kernels/launch.h"

namespace divulge::cuda {

// A chain of layers whose parameters lie on the device; see core/curvature/chain.h.
template <class T>
struct DeviceLayer {
  std::size_t inputs = 0, outputs = 0;
  Activation activation = Activation::identity;
  const T* weight = nullptr;  // (outputs, inputs)
  const T* bias = nullptr;    // (outputs,) or null
};

// The curvature of a chain's mean loss, as core/curvature/curvature.h gives it, from memory that the caller
// owns: `state` (what depends on the parameters alone) and a workspace of each call. Everything is queued on
// the stream of the table's handle, which must be `stream`; nothing is allocated there and nothing waited
// for.
template <class T>
class DeviceCurvature {
 public:
  // inputs (n, d), targets (n, K) of the squared loss, else (n, 1).
  DeviceCurvature(std::vector<DeviceLayer<T>> layers, Loss loss, const T* inputs, const T* targets,
                  std::size_t n, T* state);

  std::size_t parameters() const;
  std::size_t state_numbers() const;
  std::size_t workspace_numbers(std::size_t m) const;  // of m vectors

  // Outputs, deltas and losses' curvatures, into the state; losses (n,) may be null.
  void evaluate(const BlasTable& blas, const Stream& stream, T* losses) const;

  // Outputs alone, and the gradients (n, d) of one output by the inputs, into the state's deltas and `out`.
  void input_gradients(const BlasTable& blas, const Stream& stream, std::size_t output, T* out) const;

  // (n, h_l), of layer l.
  T* output(std::size_t l) const { return part(l, 0); }
  std::size_t output_place(std::size_t l) const { return place(l, 0); }  // in the state

  // out (m, P) = C vectors (m, P).
  void products(const BlasTable& blas, const Stream& stream, CurvatureKind kind, const T* vectors,
                std::size_t m, T* out, T* workspace) const;

  // out (m, n): the inner product of sample i's gradient with vector j.
  void scores(const BlasTable& blas, const Stream& stream, const T* vectors, std::size_t m, T* out,
              T* workspace) const;

 private:
  struct Packed;
  struct Pass;

  std::size_t depth() const { return layers_.size(); }
  // Of the state: outputs, deltas, bends of layer l.
  std::size_t place(std::size_t l, std::size_t which) const;
  T* part(std::size_t l, std::size_t which) const { return state_ + place(l, which); }
  T* loss_curvature() const { return part(depth(), 0); }
  const T* layer_inputs(std::size_t l) const { return l == 0 ? inputs_ : output(l - 1); }
  void forward(const BlasTable& blas, const Stream& stream) const;
  void backward(const BlasTable& blas, const Stream& stream) const;
  Packed packed(std::size_t m, bool mixed, T*& next) const;
  void pack(const Stream& stream, const T* vectors, const Packed& to) const;

  std::vector<DeviceLayer<T>> layers_;
  Loss loss_;
  const T *inputs_, *targets_;
  std::size_t n_;
  T* state_;
};

}  // namespace divulge::cuda
