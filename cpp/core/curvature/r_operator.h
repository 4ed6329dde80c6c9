#pragma once

#include <cstddef>
#include <vector>

#include "core/curvature/views.h"
#include "core/linalg/blas.h"
#include "kernels/losses.h"

namespace divulge {

// hessian: of the mean loss by the parameters. gauss_newton: J' H_loss J, J the outputs' Jacobian, H_loss the
// Hessian of the loss by the outputs.
enum class CurvatureKind { hessian, gauss_newton };

// What a pass over at most n rows with m vectors needs.
template <class T>
struct TangentMemory {
  TangentMemory(const ChainView<T>& chain, std::size_t n, std::size_t m, Room<T>& room) {
    for (const auto& layer : chain) tangents.push_back(room.take(n * m * layer.outputs));
    scratch = room.take(n * m * widest(chain));
    ones = room.take(n);
  }

  std::vector<T*> tangents;  // (n m, h_l): R{a_l}, and R{delta_l} once the backward pass has been at layer l
  T *scratch, *ones;
};

// R{} of Pearlmutter (1994) over blocks of rows, and the sums of what it gives: of the curvature's products
// with m vectors. Blocks of m vectors are (n, m, h) with a vector's numbers together, so that the same memory
// is (n, m h) to products with the vectors and (n m, h) to products with the weights. Written over a back
// end: host_backend.h says what that is.
template <class Backend>
class ROperator {
 public:
  using T = typename Backend::Number;

  // Sums must be zero, and all ones of the memory 1, before the first add().
  ROperator(const Backend& on, const ChainView<T>& chain, const Loss& loss, CurvatureKind kind,
            const LayerBlocksView<T>& vectors, const LayerBlocksView<T>& sums, const TangentMemory<T>& memory)
      : on_(on),
        chain_(chain),
        loss_(loss),
        exact_(kind == CurvatureKind::hessian),
        vectors_(vectors),
        sums_(sums),
        memory_(memory) {}

  void add(const StateView<T>& state) const {
    forward(state);
    for (std::size_t l = chain_.size(); l-- > 0;) {
      add_sums(state, l);
      if (l > 0) backward(state, l);
    }
  }

 private:
  std::size_t m() const { return vectors_.m; }

  // Layer l's tangents as (n m, h_l) and as (n, m h_l).
  MatrixView<T> tall(std::size_t l, std::size_t n) const {
    return {memory_.tangents[l], n * m(), chain_[l].outputs};
  }
  MatrixView<T> wide(std::size_t l, std::size_t n) const {
    return {memory_.tangents[l], n, m() * chain_[l].outputs};
  }

  // R{a_l} = s' (V_l a_{l-1} + W_l R{a_{l-1}} + c_l); R{delta} of the last layer is H_loss R{z}.
  void forward(const StateView<T>& state) const {
    const std::size_t n = state.rows(), last = chain_.size() - 1;
    for (std::size_t l = 0; l <= last; ++l) {
      const LayerView<T>& layer = chain_[l];
      T* const r = memory_.tangents[l];
      on_.gemm(Op::none, Op::transpose, state.layer_inputs(l), vectors_.weights[l], 0, wide(l, n));
      if (l > 0) on_.gemm(Op::none, Op::transpose, tall(l - 1, n), layer.matrix(), 1, tall(l, n));
      if (l < last)
        on_.tangent(layer.activation, state.outputs[l].data, vectors_.biases[l], n, m(), layer.outputs, r);
      else
        on_.loss_hessian(loss_, state.loss_curvature.data, vectors_.biases[l], n, m(), layer.outputs, r);
    }
  }

  // H v of layer l: the sum of R{delta_l} a_{l-1}' + delta_l R{a_{l-1}}'.
  void add_sums(const StateView<T>& state, std::size_t l) const {
    const std::size_t n = state.rows();
    on_.gemm(Op::transpose, Op::none, wide(l, n), state.layer_inputs(l), 1, sums_.weights[l]);
    if (exact_ && l > 0)
      on_.gemm(Op::transpose, Op::none, state.deltas[l], wide(l - 1, n), 1, sums_.mixed[l]);
    if (sums_.biases[l]) on_.add_column_sums(wide(l, n), memory_.ones, sums_.biases[l]);
  }

  // R{delta_{l-1}} = s' (W_l' R{delta_l} + V_l' delta_l) + (s''/s') (dl/da) R{a_{l-1}}, in R{a_{l-1}}'s
  // place.
  void backward(const StateView<T>& state, std::size_t l) const {
    const std::size_t n = state.rows(), h = chain_[l - 1].outputs;
    T* const r = memory_.scratch;
    on_.gemm(Op::none, Op::none, tall(l, n), chain_[l].matrix(), 0, {r, n * m(), h});
    if (exact_) on_.gemm(Op::none, Op::none, state.deltas[l], vectors_.mixed[l], 1, {r, n, m() * h});
    on_.tangent_backward(chain_[l - 1].activation, state.outputs[l - 1].data,
                         exact_ ? state.bends[l - 1].data : nullptr, r, n, m(), h, memory_.tangents[l - 1]);
  }

  const Backend& on_;
  const ChainView<T>& chain_;
  const Loss& loss_;
  const bool exact_;
  const LayerBlocksView<T>&vectors_, &sums_;
  const TangentMemory<T>& memory_;
};

}  // namespace divulge
