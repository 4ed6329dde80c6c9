#pragma once

#include "core/curvature/curvature.h"
#include "core/parallel/row_blocks.h"

// What the files of Curvature share.
namespace divulge {

template <class T>
template <class Body>
void Curvature<T>::for_blocks(std::size_t begin, std::size_t end, const Body& body) const {
  for (; begin < end; begin += rows_a_block) {
    const std::size_t stop = std::min(begin + rows_a_block, end);
    if (!states_.empty())
      body(Block{begin, stop, inputs_.row_range(begin, stop), states_[begin / rows_a_block]});
    else
      body(Block{begin, stop, inputs_.row_range(begin, stop), evaluated(begin, stop)});
  }
}

// (rows, inputs of layer l)
template <class T>
MatrixView<const T> Curvature<T>::layer_inputs(const Block& block, std::size_t l) const {
  return l == 0 ? block.inputs : block.state.output(l - 1);
}

}  // namespace divulge
