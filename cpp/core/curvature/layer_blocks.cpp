#include "core/curvature/layer_blocks.h"

#include <algorithm>

namespace divulge {

template <class T>
LayerBlocks<T>::LayerBlocks(const Chain<T>& chain, std::size_t m, bool mixed, SpareMemory<T>* spare)
    : blocks_(spare, chain.view(), m, mixed) {
  std::fill(blocks_.numbers().begin(), blocks_.numbers().end(), T(0));
}

template <class T>
void LayerBlocks<T>::pack(const Chain<T>& chain, MatrixView<const T> vectors) {
  const LayerBlocksView<T>& to = view();
  for (std::size_t l = 0; l < chain.depth(); ++l) {
    const std::size_t h = chain.layer(l).outputs, d = chain.layer(l).inputs;
    for (std::size_t j = 0; j < to.m; ++j) {
      const T* v = vectors.row(j).data + chain.weight_offset(l);
      std::copy_n(v, h * d, to.weights[l].data + j * h * d);
      for (std::size_t k = 0; to.mixed[l].data && k < h; ++k)
        std::copy_n(v + k * d, d, to.mixed[l].row(k).data + j * d);
      if (to.biases[l]) std::copy_n(v + h * d, h, to.biases[l] + j * h);
    }
  }
}

template <class T>
void LayerBlocks<T>::add_to(const Chain<T>& chain, std::size_t j, double* out) const {
  const LayerBlocksView<T>& from = view();
  for (std::size_t l = 0; l < chain.depth(); ++l) {
    const std::size_t h = chain.layer(l).outputs, d = chain.layer(l).inputs;
    double* w = out + chain.weight_offset(l);
    const T* sum = from.weights[l].data + j * h * d;
    for (std::size_t k = 0; k < h * d; ++k) w[k] += static_cast<double>(sum[k]);
    for (std::size_t k = 0; from.mixed[l].data && k < h; ++k)
      for (std::size_t i = 0; i < d; ++i) w[k * d + i] += static_cast<double>(from.mixed[l](k, j * d + i));
    for (std::size_t k = 0; from.biases[l] && k < h; ++k)
      w[h * d + k] += static_cast<double>(from.biases[l][j * h + k]);
  }
}

template class LayerBlocks<float>;
template class LayerBlocks<double>;

}  // namespace divulge
