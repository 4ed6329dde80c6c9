#pragma once

#include "kernels/network_view.h"

// Values of a network on a line x = u + t v, where the first layer's sums are z_u + t z_v.
namespace divulge::kernels {

template <class T>
struct LineValue {
  T value, slope;
};

// A network with at most one hidden layer at t, by one warp; its pattern goes to `words`.
template <class Block, class T>
DIVULGE_DEVICE LineValue<T> shallow_value(Block& block, const NetworkView<T>& net, std::size_t victim,
                                          unsigned output, const T* z_u, const T* z_v, T t,
                                          std::uint32_t* words) {
  if (net.depth() == 0) return {z_u[output] + t * z_v[output], z_v[output]};
  const T* w = net.seed(victim, output);
  const unsigned units = net.layers[0].outputs;
  T value = 0, slope = 0;
  for (unsigned first = 0; first < units; first += warp_size) {
    const unsigned i = first + lane(block);
    unsigned char on = 0;
    if (i < units) relu_on_line(z_u[i], z_v[i], w[i], t, value, slope, on);
    const unsigned bits = block.ballot(on != 0);
    if (lane(block) == 0) words[first / warp_size] = bits;
  }
  value = warp_sum(block, value);
  slope = warp_sum(block, slope);
  return {net.biases(1, victim)[output] + value, slope};
}

// x (2, width) holds a layer's sums z over their slopes; becomes both after the ReLU.
template <class Block, class T>
DIVULGE_DEVICE void relu_layer(Block& block, unsigned units, T* z, T* slopes, std::uint32_t* words) {
  for (unsigned first = 0; first < units; first += block.threads()) {
    const unsigned i = first + block.thread();
    const bool on = i < units && relu_active(z[i]);
    if (i < units && !on) z[i] = slopes[i] = T(0);
    const unsigned bits = block.ballot(on);
    if (i < units && lane(block) == 0) words[i / warp_size] = bits;
  }
  block.barrier();
}

// Any network at t, by the whole block; a and b (2 width,) are scratch.
template <class Block, class T>
DIVULGE_DEVICE LineValue<T> deep_value(Block& block, const NetworkView<T>& net, std::size_t victim,
                                       unsigned output, const T* z_u, const T* z_v, T t, std::uint32_t* words,
                                       T* a, T* b) {
  const unsigned width = net.width();
  block.barrier();
  for (unsigned i = block.thread(); i < net.layers[0].outputs; i += block.threads()) {
    a[i] = z_u[i] + t * z_v[i];
    a[width + i] = z_v[i];
  }
  block.barrier();
  const auto product = [&](const T* row, unsigned size, T& value, T& slope) {
    value = slope = 0;
    for (unsigned k = lane(block); k < size; k += warp_size) {
      value += row[k] * a[k];
      slope += row[k] * a[width + k];
    }
    value = warp_sum(block, value);
    slope = warp_sum(block, slope);
  };
  for (unsigned l = 0;; ++l) {
    const unsigned units = net.layers[l].outputs;
    relu_layer(block, units, a, a + width, words);
    words += net.layer_words(l);
    if (l + 1 == net.depth()) break;
    const T* w = net.weights(l + 1, victim);
    for (unsigned j = warp(block); j < net.layers[l + 1].outputs; j += warps(block)) {
      T value, slope;
      product(w + std::size_t{j} * units, units, value, slope);
      if (lane(block) == 0) {
        b[j] = value + net.biases(l + 1, victim)[j];
        b[width + j] = slope;
      }
    }
    block.barrier();
    T* const done = a;
    a = b;
    b = done;
  }
  LineValue<T> out;
  product(net.seed(victim, output), net.layers[net.depth() - 1].outputs, out.value, out.slope);
  out.value += net.biases(net.depth(), victim)[output];
  return out;
}

}  // namespace divulge::kernels
