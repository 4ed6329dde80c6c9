#include "core/curvature/chain.h"

#include <stdexcept>
#include <string>
#include <utility>

namespace divulge {
namespace {

template <class T>
void check_layer(const ChainLayer<T>& layer, std::size_t index, std::size_t inputs) {
  const std::string name = "layer " + std::to_string(index);
  if (layer.inputs == 0 || layer.outputs == 0) throw std::invalid_argument(name + " is empty");
  if (layer.weight.size() != layer.inputs * layer.outputs)
    throw std::invalid_argument(name + ": expected " + std::to_string(layer.inputs * layer.outputs) +
                                " weights, got " + std::to_string(layer.weight.size()));
  if (layer.has_bias() && layer.bias.size() != layer.outputs)
    throw std::invalid_argument(name + ": expected " + std::to_string(layer.outputs) + " biases, got " +
                                std::to_string(layer.bias.size()));
  if (layer.inputs != inputs)
    throw std::invalid_argument(name + ": expected " + std::to_string(inputs) + " inputs, got " +
                                std::to_string(layer.inputs));
}

}  // namespace

template <class T>
Chain<T>::Chain(std::vector<ChainLayer<T>> layers) : layers_(std::move(layers)), offsets_{0} {
  if (layers_.empty()) throw std::invalid_argument("a chain needs at least one layer");
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    check_layer(layers_[l], l, l == 0 ? layers_[0].inputs : layers_[l - 1].outputs);
    offsets_.push_back(offsets_.back() + layers_[l].weight.size() + layers_[l].bias.size());
  }
  if (layers_.back().activation != Activation::identity)
    throw std::invalid_argument("the last layer of a chain has no activation");
}

template <class T>
ChainView<T> Chain<T>::view() const {
  ChainView<T> views;
  views.reserve(depth());
  for (const auto& layer : layers_) views.push_back(layer.view());
  return views;
}

template class Chain<float>;
template class Chain<double>;

}  // namespace divulge
