#pragma once

#include <cstddef>
#include <vector>

#include "core/curvature/chain.h"
#include "core/parallel/spare_memory.h"

namespace divulge {

// m vectors in the space of a chain's parameters, laid out for wide products: a layer with h outputs and d
// inputs holds V as (m h, d), c as (m h,) and, for every layer but the first, V once more as (h, m d).
template <class T>
class LayerBlocks {
 public:
  // All zero, in spare memory where there is some. Without `mixed` the second form of V is left out.
  LayerBlocks(const Chain<T>& chain, std::size_t m, bool mixed, SpareMemory<T>* spare = nullptr);
  LayerBlocks(LayerBlocks&& other) noexcept;
  LayerBlocks& operator=(LayerBlocks&&) = delete;
  ~LayerBlocks();

  std::size_t vectors() const { return m_; }
  MatrixView<T> weight(std::size_t l) { return weights_[l]; }
  MatrixView<T> mixed(std::size_t l) { return mixed_[l]; }
  Span<T> bias(std::size_t l) { return biases_[l]; }
  MatrixView<const T> weight(std::size_t l) const { return weights_[l]; }
  MatrixView<const T> mixed(std::size_t l) const { return mixed_[l]; }
  const T* bias(std::size_t l) const { return biases_[l].data; }  // null where the layer has none
  bool has_mixed(std::size_t l) const { return mixed_[l].data != nullptr; }

  // Copies flat vectors (m, P) into both forms.
  void pack(const Chain<T>& chain, MatrixView<const T> vectors);

  // Adds both forms of vector j to out (P,).
  void add_to(const Chain<T>& chain, std::size_t j, double* out) const;

 private:
  std::size_t m_;
  SpareMemory<T>* spare_;
  std::vector<T> storage_;
  std::vector<MatrixView<T>> weights_, mixed_;
  std::vector<Span<T>> biases_;
};

}  // namespace divulge
