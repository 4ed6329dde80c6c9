#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/network_view.h"

namespace divulge::kernels {

// What the gradient of one output jumps by at kinks, and the offsets of their hyperplanes: jump.x + offset =
// 0. Without `left` the gradients of the pieces `right` themselves. One block a kink.
template <class T>
struct KinkJumps {
  static constexpr unsigned max_threads = 128;

  NetworkView<T> net;
  unsigned output = 0, count = 0, lines_a_victim = 1;
  const std::int64_t* line = nullptr;                      // (count,)
  const std::uint32_t *left = nullptr, *right = nullptr;   // (count, words)
  const double* t = nullptr;                               // (count,); null: no offsets
  const double *origins = nullptr, *directions = nullptr;  // (lines, d)
  double* jumps = nullptr;                                 // (count, d)
  double* offsets = nullptr;                               // (count,)

  std::size_t shared_bytes() const {
    return SharedMemory::bytes<T>(4 * net.width()) + SharedMemory::bytes<double>(max_threads / warp_size);
  }

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    SharedMemory memory(block.shared());
    const unsigned width = net.width(), words = net.pattern_words(), d = net.inputs();
    T* room = memory.take<T>(4 * width);
    double* sums = memory.take<double>(max_threads / warp_size);
    for (unsigned i = block.block(); i < count; i += block.blocks()) {
      block.barrier();
      const std::size_t on = static_cast<std::size_t>(line[i]), victim = on / lines_a_victim;
      T* change = room;
      if (net.depth() > 0) change = changes(block, i, victim, words, room, width);
      double product = 0;
      for (unsigned j = block.thread(); j < d; j += block.threads()) {
        const double jump = coordinate(change, victim, j);
        jumps[std::size_t{i} * d + j] = jump;
        if (t) product += jump * (origins[on * d + j] + t[i] * directions[on * d + j]);
      }
      if (!t) continue;
      const double sum = block_sum(block, product, sums);
      if (block.thread() == 0) offsets[i] = -sum;
    }
  }

 private:
  // (h_1,): the change of the gradient by the first layer's sums.
  template <class Block>
  DIVULGE_DEVICE T* changes(Block& block, unsigned i, std::size_t victim, unsigned words, T* room,
                            unsigned width) const {
    const std::size_t at = std::size_t{i} * words;
    T* after = pass_back(block, net, victim, output, right + at, room, room + width);
    if (!left) return after;
    const T* before = pass_back(block, net, victim, output, left + at, room + 2 * width, room + 3 * width);
    for (unsigned k = block.thread(); k < net.layers[0].outputs; k += block.threads()) after[k] -= before[k];
    block.barrier();
    return after;
  }

  // Coordinate j of change W_1; where there is one layer alone the gradient is its row.
  DIVULGE_DEVICE double coordinate(const T* change, std::size_t victim, unsigned j) const {
    if (net.depth() == 0) return left ? 0.0 : static_cast<double>(net.seed(victim, output)[j]);
    const T* w = net.weights(0, victim);
    T sum = 0;
    for (unsigned k = 0; k < net.layers[0].outputs; ++k)
      if (change[k] != T(0)) sum += change[k] * w[std::size_t{k} * net.inputs() + j];
    return static_cast<double>(sum);
  }
};

}  // namespace divulge::kernels
