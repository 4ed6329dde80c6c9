#pragma once

#include <cstddef>

#include "core/curvature/chain.h"
#include "core/curvature/owned.h"

namespace divulge {

// A LayerBlocksView with its memory.
template <class T>
class LayerBlocks {
 public:
  // All zero, in spare memory where there is some.
  LayerBlocks(const Chain<T>& chain, std::size_t m, bool mixed, SpareMemory<T>* spare = nullptr);

  const LayerBlocksView<T>& view() const { return blocks_.view(); }

  // Copies flat vectors (m, P) into both forms.
  void pack(const Chain<T>& chain, MatrixView<const T> vectors);

  // Adds both forms of vector j to out (P,).
  void add_to(const Chain<T>& chain, std::size_t j, double* out) const;

 private:
  Owned<LayerBlocksView, T> blocks_;
};

}  // namespace divulge
