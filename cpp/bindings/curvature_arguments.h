#pragma once

#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "core/curvature/chain.h"
#include "kernels/losses.h"

// Chains and losses as Python names them.
namespace divulge::bindings {

inline Activation activation_named(const std::string& name) {
  if (name == "identity") return Activation::identity;
  if (name == "relu") return Activation::relu;
  if (name == "tanh") return Activation::tanh;
  throw std::invalid_argument("expected an activation identity, relu or tanh, got " + name);
}

inline Loss loss_named(const std::string& name, double temperature) {
  if (name == "cross_entropy") return {LossKind::cross_entropy, 0};
  if (name == "squared") return {LossKind::squared, 0};
  if (name != "smooth_hinge")
    throw std::invalid_argument("expected a loss cross_entropy, squared or smooth_hinge, got " + name);
  if (!(temperature >= 0))
    throw std::invalid_argument("expected a temperature of at least 0, got " + std::to_string(temperature));
  return {LossKind::smooth_hinge, temperature};
}

template <class T>
Chain<T> chain_of(const std::vector<Array<T>>& weights, const std::vector<std::optional<Array<T>>>& biases,
                  const std::vector<std::string>& activations) {
  if (weights.size() != biases.size() || weights.size() != activations.size())
    throw std::invalid_argument("expected as many biases and activations as weights (" +
                                std::to_string(weights.size()) + ")");
  std::vector<ChainLayer<T>> layers;
  for (std::size_t l = 0; l < weights.size(); ++l) {
    check_ndim(weights[l], 2, "a weight", "(out, in)");
    ChainLayer<T> layer;
    layer.outputs = extent(weights[l], 0);
    layer.inputs = extent(weights[l], 1);
    layer.activation = activation_named(activations[l]);
    layer.weight.assign(weights[l].data(), weights[l].data() + weights[l].size());
    if (biases[l]) {
      check_ndim(*biases[l], 1, "a bias", "(out,)");
      layer.bias.assign(biases[l]->data(), biases[l]->data() + biases[l]->size());
    }
    layers.push_back(std::move(layer));
  }
  return Chain<T>(std::move(layers));
}

}  // namespace divulge::bindings
