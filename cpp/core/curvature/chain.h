#pragma once

#include <cstddef>
#include <vector>

#include "core/curvature/views.h"

// A chain of linear layers with an activation after each, as a function of its parameters.
namespace divulge {

// A LayerView's parameters; without b where bias is empty.
template <class T>
struct ChainLayer {
  std::size_t inputs = 0, outputs = 0;
  Activation activation = Activation::identity;
  std::vector<T> weight, bias;

  bool has_bias() const { return !bias.empty(); }
  std::size_t augmented_inputs() const { return inputs + (has_bias() ? 1 : 0); }  // of (a, 1)
  LayerView<T> view() const {
    return {inputs, outputs, activation, weight.data(), has_bias() ? bias.data() : nullptr};
  }
};

// The parameters of all layers in one flat vector (P,): W of the first layer row by row, its b, W of the
// second layer, ...
template <class T>
class Chain {
 public:
  // Throws std::invalid_argument when there is no layer, the layers do not fit together, or the last one has
  // an activation.
  explicit Chain(std::vector<ChainLayer<T>> layers);

  ChainView<T> view() const;
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

}  // namespace divulge
