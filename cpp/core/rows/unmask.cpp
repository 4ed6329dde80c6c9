#include "core/rows/unmask.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/parallel/simd.h"
#include "core/parallel/stream.h"
#include "core/parallel/thread_pool.h"
#include "kernels/normal.h"

namespace divulge {
namespace {

constexpr std::size_t block = 64;  // inputs a chunk

// Bits of numbers that are not negative are in the order of the numbers.
template <class A>
using Key = std::conditional_t<sizeof(A) == 4, std::uint32_t, std::uint64_t>;

template <class K>
struct Range {
  K low, high;
};

// sums[j] = sum over the channels of |a|.
template <class A>
DIVULGE_SIMD void add_channels(const A* a, std::size_t channels, std::size_t size, A* sums) {
  for (std::size_t j = 0; j < size; ++j) sums[j] = std::abs(a[j]);
  for (std::size_t c = 1; c < channels; ++c)
    for (std::size_t j = 0; j < size; ++j) sums[j] += std::abs(a[c * size + j]);
}

// keys[j] = bits of |a|; their smallest and largest.
template <class A>
DIVULGE_SIMD Range<Key<A>> make_keys(const A* a, std::size_t size, Key<A>* keys) {
  Key<A> low = std::numeric_limits<Key<A>>::max(), high = 0;
  for (std::size_t j = 0; j < size; ++j) {
    Key<A> key;
    std::memcpy(&key, a + j, sizeof(A));
    key &= std::numeric_limits<Key<A>>::max() >> 1;  // without the sign
    keys[j] = key;
    low = key < low ? key : low;
    high = key > high ? key : high;
  }
  return {low, high};
}

template <class K>
DIVULGE_SIMD std::size_t count_from(const K* keys, std::size_t size, K least) {
  K count = 0;
  for (std::size_t j = 0; j < size; ++j) count += keys[j] >= least;
  return static_cast<std::size_t>(count);
}

template <class T, class K>
DIVULGE_SIMD void choose(const T* inputs, const T* fill, const K* keys, std::size_t size, K least, bool top,
                         T* out) {
  for (std::size_t j = 0; j < size; ++j) out[j] = (keys[j] >= least) == top ? inputs[j] : fill[j];
}

// The coordinates ranked among the first `count`: those with keys >= least, but for `dropped`.
template <class K>
struct Highest {
  K least;
  std::vector<std::size_t> dropped;
};

// Narrows the bits of the least key by turns between a guess from how many keys are above either end, and the
// middle; what is left of equal keys is decided by random numbers.
template <class K>
Highest<K> highest(const std::vector<K>& keys, std::size_t count, std::uint64_t stream, Range<K> range) {
  const std::size_t size = keys.size();
  if (count == 0) return {std::numeric_limits<K>::max(), {}};
  auto [low, high] = range;
  std::size_t from_low = size, above_high = 0;  // keys >= low, at least `count`, and keys > high, fewer
  for (bool guess = true; low < high && from_low != count; guess = !guess) {
    const double share =
        guess ? (static_cast<double>(from_low - count) + 0.5) / static_cast<double>(from_low - above_high)
              : 0.5;
    const K step = static_cast<K>(share * static_cast<double>(high - low));
    const K middle = low + std::clamp<K>(step, 1, high - low);
    const std::size_t found = count_from(keys.data(), size, middle);
    if (found >= count) {
      low = middle;
      from_low = found;
    } else {
      high = middle - 1;
      above_high = found;
    }
  }
  Highest<K> out{low, {}};
  if (from_low == count) return out;
  std::vector<std::pair<std::uint64_t, std::size_t>> equal;
  for (std::size_t j = 0; j < size; ++j)
    if (keys[j] == low) equal.emplace_back(kernels::random_bits(stream, j), j);
  const auto last = equal.end() - static_cast<std::ptrdiff_t>(from_low - count);
  std::nth_element(equal.begin(), last, equal.end());
  for (auto it = last; it != equal.end(); ++it) out.dropped.push_back(it->second);
  return out;
}

void require(const char* what, std::size_t got, std::size_t expected) {
  if (got != expected)
    throw std::invalid_argument("unmasking: expected " + std::to_string(expected) + " " + what + ", got " +
                                std::to_string(got));
}

void check(std::size_t cols, std::size_t size, const Unmasking& rule) {
  if (rule.channels < 1 || cols % rule.channels != 0)
    throw std::invalid_argument("unmasking: expected a number of channels that divides " +
                                std::to_string(cols) + ", got " + std::to_string(rule.channels));
  if (rule.count > size)
    throw std::invalid_argument("unmasking: expected at most " + std::to_string(size) + " coordinates, got " +
                                std::to_string(rule.count));
}

}  // namespace

template <class T, class A>
void unmask(MatrixView<const T> inputs, MatrixView<const A> attribution, Span<const T> fill,
            const Unmasking& rule, MatrixView<T> out) {
  require("attributions", attribution.rows, inputs.rows);
  require("coordinates of the attribution", attribution.cols, inputs.cols);
  require("numbers to fill with", fill.size, inputs.cols);
  require("outputs", out.rows, inputs.rows);
  require("coordinates of the outputs", out.cols, inputs.cols);
  const std::size_t size = rule.channels == 0 ? 0 : inputs.cols / rule.channels;
  check(inputs.cols, size, rule);
  const std::size_t first = rule.top ? rule.count : size - rule.count;
  parallel_for(inputs.rows, block, [&](std::size_t begin, std::size_t end) {
    std::vector<A> sums(rule.channels > 1 ? size : 0);
    std::vector<Key<A>> keys(size);
    std::vector<T> row(inputs.cols);
    Key<A> infinity = 0;
    const A infinite = std::numeric_limits<A>::infinity();
    std::memcpy(&infinity, &infinite, sizeof(A));
    for (std::size_t i = begin; i < end && size > 0; ++i) {
      const A* a = attribution.row(i).data;
      if (rule.channels > 1) {
        add_channels(a, rule.channels, size, sums.data());
        a = sums.data();
      }
      const auto range = make_keys(a, size, keys.data());
      if (range.high >= infinity)
        throw std::invalid_argument("unmasking: expected finite attributions, got one of input " +
                                    std::to_string(i) + " that is not");
      prefetch(inputs.row(i).data, inputs.cols);
      if (i + 1 < end) prefetch(attribution.row(i + 1).data, inputs.cols);
      const auto chosen = highest(keys, first, kernels::substream(rule.seed, i), range);
      for (std::size_t c = 0; c < rule.channels; ++c) {
        const T *x = inputs.row(i).data + c * size, *f = fill.data + c * size;
        T* y = row.data() + c * size;
        choose(x, f, keys.data(), size, chosen.least, rule.top, y);
        for (const std::size_t j : chosen.dropped) y[j] = rule.top ? f[j] : x[j];
      }
      stream(row.data(), row.size(), out.row(i).data);
    }
    finish_streams();
  });
}

#define DIVULGE_UNMASK(T, A)                                                                      \
  template void unmask(MatrixView<const T>, MatrixView<const A>, Span<const T>, const Unmasking&, \
                       MatrixView<T>);
DIVULGE_UNMASK(float, float)
DIVULGE_UNMASK(float, double)
DIVULGE_UNMASK(double, float)
DIVULGE_UNMASK(double, double)
#undef DIVULGE_UNMASK

}  // namespace divulge
