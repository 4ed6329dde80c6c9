#pragma once

#include "core/curvature/chain.h"
#include "core/curvature/owned.h"
#include "kernels/losses.h"

namespace divulge {

// A StateView with its memory.
template <class T>
class ChainState {
 public:
  ChainState() = default;
  // x (rows, d) must outlive the object.
  ChainState(const Chain<T>& chain, MatrixView<const T> x);

  const StateView<T>& view() const { return state_.view(); }

  // Outputs and deltas; see evaluate() of chain_passes.h.
  void evaluate(const Chain<T>& chain, const Loss& loss, MatrixView<const T> targets, Span<T> losses = {});

  // Outputs of all layers, and from them the deltas of given cotangents (rows, K) of the outputs.
  void forward(const Chain<T>& chain);
  void backward(const Chain<T>& chain, MatrixView<const T> cotangents);

 private:
  Owned<StateView, T> state_;
};

}  // namespace divulge
