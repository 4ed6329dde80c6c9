#pragma once

#include <algorithm>
#include <cstddef>

namespace divulge {

// Rows that are worked through together: their inputs and activations stay in the second-level cache.
inline constexpr std::size_t rows_a_block = 256;

inline std::size_t blocks_of(std::size_t rows) { return (rows + rows_a_block - 1) / rows_a_block; }

// Rows that one partial sum of `bytes` gathers, a multiple of rows_a_block. A function of the problem alone:
// about 32 sums, fewer where they would not fit into 256 MiB.
inline std::size_t rows_a_sum(std::size_t rows, std::size_t bytes) {
  const std::size_t room = (std::size_t{1} << 28) / std::max<std::size_t>(bytes, 1);
  const std::size_t sums = std::clamp<std::size_t>(room, 4, 32), blocks = blocks_of(rows);
  return std::max<std::size_t>((blocks + sums - 1) / sums, 1) * rows_a_block;
}

// How many of m vectors to take at once so that a layer of the given width makes a wide product.
inline std::size_t vectors_a_tile(std::size_t m, std::size_t width) {
  return std::clamp<std::size_t>(1024 / width, 1, std::max<std::size_t>(m, 1));
}

}  // namespace divulge
