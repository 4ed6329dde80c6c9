#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/hd.h"

// Counter-based random numbers: number i of stream `key` depends on nothing else.
namespace divulge::kernels {

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection of 64 bits.
DIVULGE_HD inline std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

DIVULGE_HD inline std::uint64_t random_bits(std::uint64_t key, std::uint64_t counter) {
  return mix64(key + (counter + 1) * 0x9e3779b97f4a7c15ULL);
}

// The key of sub-stream `index` of a stream.
DIVULGE_HD inline std::uint64_t substream(std::uint64_t key, std::uint64_t index) {
  return mix64(random_bits(key, index));
}

// Uniform in (0, 1], a multiple of 2^-53.
DIVULGE_HD inline double uniform(std::uint64_t key, std::uint64_t counter) {
  return static_cast<double>((random_bits(key, counter) >> 11) + 1) * 0x1p-53;
}

// Two independent standard normal numbers, by Box and Muller's transform.
DIVULGE_HD inline void normal_pair(std::uint64_t key, std::uint64_t pair, double& first, double& second) {
  const double radius = std::sqrt(-2.0 * std::log(uniform(key, 2 * pair)));
  const double angle = 6.283185307179586 * uniform(key, 2 * pair + 1);
  first = radius * std::cos(angle);
  second = radius * std::sin(angle);
}

}  // namespace divulge::kernels
