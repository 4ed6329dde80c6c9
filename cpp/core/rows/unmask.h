#pragma once

#include <cstddef>
#include <cstdint>

#include "core/linalg/matrix.h"

namespace divulge {

// What stays of each input: `count` of its coordinates, those ranked highest or those ranked lowest.
struct Unmasking {
  std::size_t count;
  bool top;
  std::size_t channels;  // c of them have one rank, that of the sum of their |attribution|; 1: none share
  std::uint64_t seed;
};

// out (n, d) = inputs (n, d) where the coordinate stays, else fill (d,). Input i is seen as c channels of
// s = d / c coordinates; coordinate j has the key sum_c |attribution_i,cj|. Ranks fall with the key, those of
// equal keys are by the random number j of stream i of the seed, smallest first. The `count` coordinates
// ranked highest stay, or the `count` ranked lowest, in all channels. Throws std::invalid_argument on shapes
// that do not fit, count > s, or keys that are not finite.
template <class T, class A>
void unmask(MatrixView<const T> inputs, MatrixView<const A> attribution, Span<const T> fill,
            const Unmasking& rule, MatrixView<T> out);

}  // namespace divulge
