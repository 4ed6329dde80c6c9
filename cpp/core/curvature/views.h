#pragma once

#include <cstddef>
#include <vector>

#include "core/linalg/matrix.h"
#include "kernels/activation.h"

// What the passes over a chain (chain_passes.h, r_operator.h) work on, wherever its memory lies: own nothing.
namespace divulge {

// x -> activation(W x + b), with W (outputs, inputs).
template <class T>
struct LayerView {
  std::size_t inputs = 0, outputs = 0;
  Activation activation = Activation::identity;
  const T* weight = nullptr;
  const T* bias = nullptr;  // null where there is none

  MatrixView<const T> matrix() const { return {weight, outputs, inputs}; }
  std::size_t parameters() const { return outputs * (inputs + (bias ? 1 : 0)); }
};

template <class T>
using ChainView = std::vector<LayerView<T>>;

template <class T>
std::size_t parameters(const ChainView<T>& chain) {
  std::size_t sum = 0;
  for (const auto& layer : chain) sum += layer.parameters();
  return sum;
}

template <class T>
std::size_t widest(const ChainView<T>& chain) {
  std::size_t width = 1;
  for (const auto& layer : chain) width = layer.outputs > width ? layer.outputs : width;
  return width;
}

// Memory that parts are taken from, one after the other. Without memory it counts them.
template <class T>
class Room {
 public:
  explicit Room(T* memory = nullptr) : memory_(memory) {}

  T* take(std::size_t size) {
    T* const part = memory_ ? memory_ + used_ : nullptr;
    used_ += size;
    return part;
  }
  MatrixView<T> take(std::size_t rows, std::size_t cols) { return {take(rows * cols), rows, cols}; }
  std::size_t used() const { return used_; }

 private:
  T* memory_;
  std::size_t used_ = 0;
};

// What a block of rows gives at fixed parameters: everything that products with the curvature reuse.
template <class T>
struct StateView {
  StateView() = default;
  StateView(const ChainView<T>& chain, MatrixView<const T> x, Room<T>& room) : inputs(x) {
    for (const auto& layer : chain) outputs.push_back(room.take(x.rows, layer.outputs));
    for (const auto& layer : chain) {
      const bool bent = layer.activation == Activation::tanh;
      deltas.push_back(room.take(x.rows, layer.outputs));
      bends.push_back(bent ? room.take(x.rows, layer.outputs) : MatrixView<T>{});
    }
    loss_curvature = room.take(x.rows, chain.back().outputs);
  }

  std::size_t rows() const { return inputs.rows; }
  MatrixView<const T> layer_inputs(std::size_t l) const { return l == 0 ? inputs : outputs[l - 1]; }

  MatrixView<const T> inputs;  // (rows, d)
  // (rows, h_l): the outputs a of layer l, the losses' gradients by its sums z, and the part of a's second
  // derivative: (s''/s')(z) dl/da, so that d(s')/d(eps) dl/da = bend da/d(eps); null where that is zero.
  std::vector<MatrixView<T>> outputs, deltas, bends;
  MatrixView<T> loss_curvature;  // (rows, K): what the loss's Hessian is applied from
};

// m vectors in the space of a chain's parameters, laid out for wide products: a layer with h outputs and d
// inputs holds V as (m h, d), c as (m h,) and, where `both`, for every layer but the first, V once more as
// (h, m d).
template <class T>
struct LayerBlocksView {
  LayerBlocksView(const ChainView<T>& chain, std::size_t vectors, bool both, Room<T>& room) : m(vectors) {
    for (std::size_t l = 0; l < chain.size(); ++l) {
      const std::size_t h = chain[l].outputs, d = chain[l].inputs;
      weights.push_back(room.take(m * h, d));
      biases.push_back(chain[l].bias ? room.take(m * h) : nullptr);
      mixed.push_back(both && l > 0 ? room.take(h, m * d) : MatrixView<T>{});
    }
  }

  std::size_t m;
  std::vector<MatrixView<T>> weights, mixed;
  std::vector<T*> biases;  // null where the layer has none
};

}  // namespace divulge
