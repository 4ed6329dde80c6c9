#pragma once

#include <cstddef>
#include <vector>

#include "core/linalg/matrix.h"
#include "kernels/activation.h"
#include "kernels/losses.h"

// A chain of linear layers with an activation after each, as a function of its parameters.
namespace divulge {

// x -> activation(W x + b), with W (outputs, inputs); without b where bias is empty.
template <class T>
struct ChainLayer {
  std::size_t inputs = 0, outputs = 0;
  Activation activation = Activation::identity;
  std::vector<T> weight, bias;

  MatrixView<const T> matrix() const { return {weight.data(), outputs, inputs}; }
  bool has_bias() const { return !bias.empty(); }
};

// The parameters of all layers in one flat vector (P,): W of the first layer row by row, its b, W of the
// second layer, ...
template <class T>
class Chain {
 public:
  // Throws std::invalid_argument when there is no layer, the layers do not fit together, or the last one has
  // an activation.
  explicit Chain(std::vector<ChainLayer<T>> layers);

  std::size_t depth() const { return layers_.size(); }
  const ChainLayer<T>& layer(std::size_t l) const { return layers_[l]; }
  std::size_t inputs() const { return layers_.front().inputs; }
  std::size_t outputs() const { return layers_.back().outputs; }
  std::size_t parameters() const { return offsets_.back(); }
  std::size_t weight_offset(std::size_t l) const { return offsets_[l]; }
  std::size_t bias_offset(std::size_t l) const { return offsets_[l] + layers_[l].weight.size(); }

 private:
  std::vector<ChainLayer<T>> layers_;
  std::vector<std::size_t> offsets_;  // (depth + 1,)
};

// What one block of rows gives at fixed parameters: everything that products with the curvature reuse.
template <class T>
class ChainState {
 public:
  ChainState() = default;
  ChainState(const Chain<T>& chain, std::size_t rows);
  ChainState(ChainState&&) = default;  // the views move along; a copy's would not
  ChainState& operator=(ChainState&&) = default;

  std::size_t rows() const { return rows_; }

  // Outputs and deltas of x (rows, d); targets (rows, K) of the squared loss, otherwise (rows, 1): the class,
  // or -1 and 1. Returns nothing; the losses (rows,) go to `losses` where it is not empty.
  void evaluate(const Chain<T>& chain, const Loss& loss, MatrixView<const T> x, MatrixView<const T> targets,
                Span<T> losses = {});

  // Outputs of all layers, and from them the deltas of given cotangents (rows, K) of the outputs.
  void forward(const Chain<T>& chain, MatrixView<const T> x);
  void backward(const Chain<T>& chain, MatrixView<const T> cotangents);

  // (rows, h_l): the outputs a of layer l, the losses' gradients by its sums z, and (hidden layers) the part
  // of a's second derivative: (s''/s')(z) dl/da, so that d(s')/d(eps) dl/da = bend da/d(eps).
  MatrixView<const T> output(std::size_t l) const { return outputs_[l]; }
  MatrixView<const T> delta(std::size_t l) const { return deltas_[l]; }
  MatrixView<const T> bend(std::size_t l) const { return bends_[l]; }
  bool bends(std::size_t l) const { return bends_[l].data != nullptr; }
  // (rows, K): what the loss's Hessian is applied from.
  MatrixView<const T> loss_curvature() const { return loss_curvature_; }

 private:
  void propagate(const Chain<T>& chain);

  std::size_t rows_ = 0;
  std::vector<T> storage_;
  std::vector<MatrixView<T>> outputs_, deltas_, bends_;
  MatrixView<T> loss_curvature_;
};

}  // namespace divulge
