#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/network/network.h"
#include "kernels/normal.h"

namespace divulge::test {

inline std::vector<double> normal_numbers(std::size_t n, std::uint64_t key) {
  std::vector<double> x(n);
  double unused;
  for (std::size_t i = 0; i < n; ++i) kernels::normal_pair(key, i, x[i], unused);
  return x;
}

// A network of the given layer sizes with normal weights.
template <class T>
std::shared_ptr<DenseNetwork<T>> random_network(const std::vector<std::size_t>& sizes, std::uint64_t key) {
  std::vector<Layer<T>> layers;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    Layer<T> layer;
    layer.inputs = sizes[i];
    layer.outputs = sizes[i + 1];
    for (const double w : normal_numbers(sizes[i] * sizes[i + 1], kernels::substream(key, 2 * i)))
      layer.weight.push_back(static_cast<T>(w / std::sqrt(static_cast<double>(sizes[i]))));
    for (const double b : normal_numbers(sizes[i + 1], kernels::substream(key, 2 * i + 1)))
      layer.bias.push_back(static_cast<T>(0.1 * b));
    layers.push_back(layer);
  }
  return std::make_shared<DenseNetwork<T>>(layers);
}

}  // namespace divulge::test
