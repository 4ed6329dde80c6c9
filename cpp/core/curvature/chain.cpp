#include "core/curvature/chain.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/curvature/elementwise.h"
#include "core/linalg/blas.h"

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
ChainState<T>::ChainState(const Chain<T>& chain, std::size_t rows) : rows_(rows) {
  const std::size_t depth = chain.depth(), last = depth - 1;
  const auto bent = [&](std::size_t l) { return chain.layer(l).activation == Activation::tanh; };
  std::size_t width = chain.outputs();
  for (std::size_t l = 0; l < depth; ++l) width += (bent(l) ? 3 : 2) * chain.layer(l).outputs;
  storage_.resize(rows * width);
  T* next = storage_.data();
  const auto take = [&](std::size_t cols) {
    return MatrixView<T>{std::exchange(next, next + rows * cols), rows, cols};
  };
  for (std::size_t l = 0; l < depth; ++l) {
    outputs_.push_back(take(chain.layer(l).outputs));
    deltas_.push_back(take(chain.layer(l).outputs));
    bends_.push_back(bent(l) ? take(chain.layer(l).outputs) : MatrixView<T>{});
  }
  loss_curvature_ = take(chain.layer(last).outputs);
}

template <class T>
void ChainState<T>::forward(const Chain<T>& chain, MatrixView<const T> x) {
  for (std::size_t l = 0; l < chain.depth(); ++l) {
    const ChainLayer<T>& layer = chain.layer(l);
    gemm<T>(Op::none, Op::transpose, 1, x, layer.matrix(), 0, outputs_[l]);
    elementwise::activate(layer.activation, layer.has_bias() ? layer.bias.data() : nullptr, rows_,
                          layer.outputs, outputs_[l].data);
    x = outputs_[l];
  }
}

template <class T>
void ChainState<T>::evaluate(const Chain<T>& chain, const Loss& loss, MatrixView<const T> x,
                             MatrixView<const T> targets, Span<T> losses) {
  forward(chain, x);
  elementwise::evaluate_loss<T>(loss, outputs_.back().data, targets.data, rows_, chain.outputs(),
                                targets.cols, losses.data, deltas_.back().data, loss_curvature_.data);
  propagate(chain);
}

template <class T>
void ChainState<T>::backward(const Chain<T>& chain, MatrixView<const T> cotangents) {
  std::copy_n(cotangents.data, cotangents.size(), deltas_.back().data);
  propagate(chain);
}

// delta_l = s'(z_l) W_{l+1}' delta_{l+1}
template <class T>
void ChainState<T>::propagate(const Chain<T>& chain) {
  for (std::size_t l = chain.depth() - 1; l-- > 0;) {
    gemm<T>(Op::none, Op::none, 1, deltas_[l + 1], chain.layer(l + 1).matrix(), 0, deltas_[l]);
    elementwise::backpropagate<T>(chain.layer(l).activation, outputs_[l].data, deltas_[l].size(),
                                  deltas_[l].data, bends_[l].data);
  }
}

template class Chain<float>;
template class Chain<double>;
template class ChainState<float>;
template class ChainState<double>;

}  // namespace divulge
