#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/block.h"
#include "kernels/relu.h"

namespace divulge::kernels {

constexpr unsigned max_layers = 16;

// Dense networks of one shape, the weights of all victims stacked: layer l has `weights` (victims, outputs,
// inputs) and `biases` (victims, outputs). A ReLU between each two layers, none after the last.
template <class T>
struct NetworkView {
  struct Layer {
    const T* weights;
    const T* biases;
    unsigned inputs, outputs;
  };
  Layer layers[max_layers];
  unsigned count = 0;  // layers

  DIVULGE_HD unsigned depth() const { return count - 1; }  // hidden layers
  DIVULGE_HD unsigned inputs() const { return layers[0].inputs; }
  DIVULGE_HD unsigned outputs() const { return layers[count - 1].outputs; }

  DIVULGE_HD unsigned hidden_units() const {
    unsigned sum = 0;
    for (unsigned l = 0; l < depth(); ++l) sum += layers[l].outputs;
    return sum;
  }

  // Of the widest hidden layer.
  DIVULGE_HD unsigned width() const {
    unsigned width = 1;
    for (unsigned l = 0; l < depth(); ++l) width = layers[l].outputs > width ? layers[l].outputs : width;
    return width;
  }

  // An activation pattern has a bit a unit; each layer starts a new word.
  DIVULGE_HD unsigned pattern_words() const {
    unsigned words = 0;
    for (unsigned l = 0; l < depth(); ++l) words += layer_words(l);
    return words;
  }

  DIVULGE_HD unsigned layer_words(unsigned l) const {
    return (layers[l].outputs + warp_size - 1) / warp_size;
  }

  DIVULGE_HD const T* weights(unsigned l, std::size_t victim) const {
    return layers[l].weights + victim * layers[l].outputs * layers[l].inputs;
  }
  DIVULGE_HD const T* biases(unsigned l, std::size_t victim) const {
    return layers[l].biases + victim * layers[l].outputs;
  }
  // Row `output` of the last layer.
  DIVULGE_HD const T* seed(std::size_t victim, unsigned output) const {
    return weights(count - 1, victim) + std::size_t{output} * layers[count - 1].inputs;
  }
};

DIVULGE_HD inline bool bit(const std::uint32_t* words, unsigned i) {
  return (words[i / warp_size] >> i % warp_size & 1u) != 0;
}

// delta (h_1,) = the gradient of one output by the first layer's sums, in the piece of a pattern: the
// output's weights passed back through the active units. By the whole block; a and b (width,) are scratch,
// and one of them is returned.
template <class Block, class T>
DIVULGE_DEVICE T* pass_back(Block& block, const NetworkView<T>& net, std::size_t victim, unsigned output,
                            const std::uint32_t* pattern, T* a, T* b) {
  const std::uint32_t* words = pattern + net.pattern_words();
  const T* above = net.seed(victim, output);
  block.barrier();
  for (unsigned l = net.depth(); l-- > 0;) {
    words -= net.layer_words(l);
    const unsigned units = net.layers[l].outputs, from = net.layers[l + 1].outputs;
    const T* w = net.weights(l + 1, victim);
    for (unsigned j = block.thread(); j < units; j += block.threads()) {
      T sum = 0;
      if (bit(words, j)) {
        if (l + 1 == net.depth())
          sum = above[j];
        else
          for (unsigned i = 0; i < from; ++i) sum += above[i] * w[std::size_t{i} * units + j];
      }
      a[j] = sum;
    }
    block.barrier();
    above = a;
    T* const free = a;
    a = b;
    b = free;
  }
  return b;
}

}  // namespace divulge::kernels
