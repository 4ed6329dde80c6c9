#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "core/rows/unmask.h"

using namespace divulge;

namespace {

std::vector<float> unmasked(const std::vector<float>& attribution, std::size_t cols, const Unmasking& rule) {
  const std::size_t rows = attribution.size() / cols;
  const std::vector<float> ones(attribution.size(), 1), fill(cols, 0);
  std::vector<float> out(attribution.size());
  unmask<float, float>({ones.data(), rows, cols}, {attribution.data(), rows, cols}, {fill.data(), cols}, rule,
                       {out.data(), rows, cols});
  return out;
}

}  // namespace

TEST_CASE("unmasking keeps what is ranked highest or lowest") {
  const std::vector<float> a = {3, -5, 1, 0, 2, 9, -9, 8, 7, 6};
  CHECK(unmasked(a, 5, {2, true, 1, 0}) == std::vector<float>{1, 1, 0, 0, 0, 1, 1, 0, 0, 0});
  CHECK(unmasked(a, 5, {3, false, 1, 0}) == std::vector<float>{0, 0, 1, 1, 1, 0, 0, 1, 1, 1});
  CHECK(unmasked(a, 5, {5, true, 1, 0}) == std::vector<float>(10, 1));
  CHECK(unmasked(a, 5, {0, true, 1, 0}) == std::vector<float>(10, 0));
  // two channels of five: 12, 14, 9, 7, 8
  CHECK(unmasked(a, 10, {2, true, 2, 0}) == std::vector<float>{1, 1, 0, 0, 0, 1, 1, 0, 0, 0});
}

TEST_CASE("unmasking ranks equal values by the seed, exactly as many as asked for") {
  const std::vector<float> a(64 * 10, 4);
  std::vector<std::vector<float>> kept;
  for (const std::uint64_t seed : {1, 1, 2}) kept.push_back(unmasked(a, 10, {3, true, 1, seed}));
  CHECK(kept[0] == kept[1]);
  CHECK(kept[0] != kept[2]);
  for (std::size_t i = 0; i < 64; ++i) {
    float count = 0;
    for (std::size_t j = 0; j < 10; ++j) count += kept[0][i * 10 + j];
    CHECK(count == 3);
  }
}

TEST_CASE("unmasking refuses what does not fit") {
  CHECK_THROWS_AS(unmasked({1, 2, 3}, 3, {4, true, 1, 0}), std::invalid_argument);
  CHECK_THROWS_AS(unmasked({1, 2, 3}, 3, {1, true, 2, 0}), std::invalid_argument);
  CHECK(unmasked({}, 3, {1, true, 1, 0}).empty());
}
