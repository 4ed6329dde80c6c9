#include <doctest/doctest.h>

#include <vector>

#include "core/parallel/stream.h"

using namespace divulge;

namespace {

// Copies n numbers from one place to another, each off the start of its vector, and looks at what lies
// around.
template <class T>
void copies(std::size_t n, std::size_t from, std::size_t to) {
  std::vector<T> source(from + n), target(to + n + 1, T(-1)), expected = target;
  for (std::size_t j = 0; j < n; ++j) expected[to + j] = source[from + j] = static_cast<T>(j);
  prefetch(source.data() + from, n);
  stream(source.data() + from, n, target.data() + to);
  finish_streams();
  CHECK(target == expected);
}

}  // namespace

TEST_CASE("streaming copies from anywhere to anywhere, and no more than asked for") {
  for (const std::size_t n : {0, 1, 2, 3, 4, 5, 7, 16, 33})
    for (const std::size_t from : {0, 1, 3})
      for (const std::size_t to : {0, 1, 2, 3}) {
        copies<float>(n, from, to);
        copies<double>(n, from, to);
      }
}
