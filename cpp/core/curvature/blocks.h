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
      body(Block{begin, stop, states_[begin / rows_a_block].view()});
    else
      body(Block{begin, stop, evaluated(begin, stop).view()});
  }
}

}  // namespace divulge
