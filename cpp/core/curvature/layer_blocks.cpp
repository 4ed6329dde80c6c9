#include "core/curvature/layer_blocks.h"

#include <algorithm>
#include <utility>

namespace divulge {

template <class T>
LayerBlocks<T>::LayerBlocks(const Chain<T>& chain, std::size_t m, bool mixed, SpareMemory<T>* spare)
    : m_(m), spare_(spare) {
  const auto has_second_form = [&](std::size_t l) { return mixed && l > 0; };
  std::size_t size = chain.parameters();
  for (std::size_t l = 0; l < chain.depth(); ++l)
    if (has_second_form(l)) size += chain.layer(l).weight.size();
  if (spare_) storage_ = spare_->take(m * size);
  storage_.assign(m * size, T(0));
  T* next = storage_.data();
  for (std::size_t l = 0; l < chain.depth(); ++l) {
    const ChainLayer<T>& layer = chain.layer(l);
    const std::size_t h = layer.outputs, d = layer.inputs, biases = m * layer.bias.size();
    weights_.push_back({std::exchange(next, next + m * h * d), m * h, d});
    biases_.push_back(biases > 0 ? Span<T>{std::exchange(next, next + biases), biases} : Span<T>{});
    mixed_.push_back(has_second_form(l) ? MatrixView<T>{std::exchange(next, next + m * h * d), h, m * d}
                                        : MatrixView<T>{});
  }
}

// The views move along with the storage; a copy's would not.
template <class T>
LayerBlocks<T>::LayerBlocks(LayerBlocks&& other) noexcept
    : m_(other.m_),
      spare_(std::exchange(other.spare_, nullptr)),
      storage_(std::move(other.storage_)),
      weights_(std::move(other.weights_)),
      mixed_(std::move(other.mixed_)),
      biases_(std::move(other.biases_)) {}

template <class T>
LayerBlocks<T>::~LayerBlocks() {
  if (spare_) spare_->give(std::move(storage_));
}

template <class T>
void LayerBlocks<T>::pack(const Chain<T>& chain, MatrixView<const T> vectors) {
  for (std::size_t l = 0; l < chain.depth(); ++l) {
    const std::size_t h = chain.layer(l).outputs, d = chain.layer(l).inputs;
    for (std::size_t j = 0; j < m_; ++j) {
      const T* v = vectors.row(j).data + chain.weight_offset(l);
      std::copy_n(v, h * d, weights_[l].data + j * h * d);
      for (std::size_t k = 0; has_mixed(l) && k < h; ++k)
        std::copy_n(v + k * d, d, mixed_[l].row(k).data + j * d);
      if (biases_[l].data) std::copy_n(v + h * d, h, biases_[l].data + j * h);
    }
  }
}

template <class T>
void LayerBlocks<T>::add_to(const Chain<T>& chain, std::size_t j, double* out) const {
  for (std::size_t l = 0; l < chain.depth(); ++l) {
    const std::size_t h = chain.layer(l).outputs, d = chain.layer(l).inputs;
    double* w = out + chain.weight_offset(l);
    const T* sum = weights_[l].data + j * h * d;
    for (std::size_t k = 0; k < h * d; ++k) w[k] += static_cast<double>(sum[k]);
    for (std::size_t k = 0; has_mixed(l) && k < h; ++k)
      for (std::size_t i = 0; i < d; ++i) w[k * d + i] += static_cast<double>(mixed_[l](k, j * d + i));
    for (std::size_t k = 0; biases_[l].data && k < h; ++k)
      w[h * d + k] += static_cast<double>(biases_[l][j * h + k]);
  }
}

template class LayerBlocks<float>;
template class LayerBlocks<double>;

}  // namespace divulge
