#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>

#include "core/linalg/least_squares.h"
#include "networks.h"

using namespace divulge;
using divulge::test::normal_numbers;

TEST_CASE("many problems at once, each with its own residual") {
  // x = (1, 2) exactly, and the mean of (0, 3, 3)
  const std::vector<double> a{1, 0, 0, 1, 1, 1}, b{1, 2, 3}, ones{1, 1, 1}, c{0, 3, 3};
  std::vector<double> x(2), residual(1), condition(1);
  least_squares(1, {a.data(), 3, 2}, {b.data(), 3, 1}, {x.data(), 2, 1}, {residual.data(), 1},
                {condition.data(), 1});
  CHECK(x[0] == doctest::Approx(1));
  CHECK(x[1] == doctest::Approx(2));
  CHECK(residual[0] < 1e-14);
  least_squares(1, {ones.data(), 3, 1}, {c.data(), 3, 1}, {x.data(), 1, 1}, {residual.data(), 1},
                {condition.data(), 1});
  CHECK(x[0] == doctest::Approx(2));
  CHECK(residual[0] == doctest::Approx(std::sqrt(6.0 / 18.0)));
}

TEST_CASE("dependent columns are reported, empty problems accepted, wrong shapes refused") {
  const std::vector<double> a{1, 2, 2, 4, 3, 6}, b{1, 2, 3};
  std::vector<double> x(2), residual(1), condition(1);
  least_squares(1, {a.data(), 3, 2}, {b.data(), 3, 1}, {x.data(), 2, 1}, {residual.data(), 1},
                {condition.data(), 1});
  CHECK(condition[0] == 0);
  CHECK(std::isnan(x[0]));
  CHECK_NOTHROW(least_squares(0, {nullptr, 0, 2}, {nullptr, 0, 1}, {nullptr, 0, 1}, {}, {}));
  CHECK_THROWS_AS(least_squares(1, {a.data(), 2, 3}, {b.data(), 2, 1}, {x.data(), 3, 1}, {residual.data(), 1},
                                {condition.data(), 1}),
                  std::invalid_argument);
}

TEST_CASE("the sign pattern is found, and other gradients are seen not to be one") {
  const std::size_t h = 5, d = 9;
  const std::vector<double> jumps = normal_numbers(h * d, 3);
  const std::vector<double> expected{1, 0, 0, 1, 1};
  std::vector<double> gradient(d);
  for (std::size_t i = 0; i < h; ++i)
    for (std::size_t j = 0; j < d; ++j) gradient[j] -= expected[i] * jumps[i * d + j];
  const SignPattern found = sign_pattern({jumps.data(), h, d}, {gradient.data(), d}, 1e-9);
  CHECK(found.binary);
  for (std::size_t i = 0; i < h; ++i) CHECK(found.beta[i] == doctest::Approx(expected[i]));
  for (double& g : gradient) g *= 0.5;
  CHECK_FALSE(sign_pattern({jumps.data(), h, d}, {gradient.data(), d}, 1e-9).binary);
  gradient[0] += 1;
  CHECK_FALSE(sign_pattern({jumps.data(), h, d}, {gradient.data(), d}, 1e-9).binary);
  CHECK_THROWS_AS(sign_pattern({jumps.data(), d, h}, {gradient.data(), h}, 1e-9), std::invalid_argument);
}
