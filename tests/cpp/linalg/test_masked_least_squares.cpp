#include <doctest/doctest.h>

#include <stdexcept>

#include "core/linalg/masked_least_squares.h"
#include "networks.h"

using namespace divulge;
using divulge::test::normal_numbers;

TEST_CASE("masked least squares gives the coefficients back, with one basis or many") {
  const std::size_t n = 3, h = 4, d = 6;
  const std::vector<double> one = normal_numbers(h * d, 1);
  std::vector<double> many;
  for (std::size_t i = 0; i < n; ++i) many.insert(many.end(), one.begin(), one.end());
  const bool masks[n * h] = {true, false, true, true, false, false, false, false, true, true, true, true};
  const double expected[n * h] = {1, 0, -2, 3, 0, 0, 0, 0, 2, 2, -1, 5};
  std::vector<double> targets(n * d);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < h; ++j)
      for (std::size_t k = 0; k < d; ++k) targets[i * d + k] += expected[i * h + j] * one[j * d + k];
  for (const std::vector<double>& basis : {one, many}) {
    std::vector<double> x(n * h), residuals(n);
    std::vector<std::int64_t> ranks(n);
    masked_least_squares({basis.data(), basis.size() / d, d}, {targets.data(), n, d}, {masks, n, h}, 1e-10,
                         {{x.data(), n, h}, {residuals.data(), n}, {ranks.data(), n}});
    for (std::size_t k = 0; k < n * h; ++k) CHECK(x[k] == doctest::Approx(expected[k]));
    CHECK(ranks == std::vector<std::int64_t>{3, 0, 4});
    for (const double r : residuals) CHECK(r < 1e-13);
  }
}

TEST_CASE("masked least squares refuses shapes that do not fit") {
  const std::vector<double> zeros(20);
  const bool masks[4] = {};
  std::vector<double> x(4), residuals(2);
  std::vector<std::int64_t> ranks(2);
  const MaskedSolutions out{{x.data(), 2, 2}, {residuals.data(), 2}, {ranks.data(), 2}};
  CHECK_THROWS_AS(masked_least_squares({zeros.data(), 3, 4}, {zeros.data(), 2, 4}, {masks, 2, 2}, 0, out),
                  std::invalid_argument);
  CHECK_THROWS_AS(masked_least_squares({zeros.data(), 2, 4}, {zeros.data(), 2, 3}, {masks, 2, 2}, 0, out),
                  std::invalid_argument);
}
