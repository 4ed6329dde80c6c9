#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "core/boosting/exponential.h"
#include "core/boosting/refit.h"

namespace {

using divulge::BoostingLoss;

// One output, two rounds of two leaves each.
struct Problem {
  std::vector<std::int32_t> leaves{0, 0, 1, 1, 0, 1, 0, 1};
  std::vector<std::int64_t> first{0, 2, 4};
  std::vector<double> targets{1, 3, 0, 2}, weights{1, 1, 1, 1};

  divulge::FixedBoosting boosting(BoostingLoss loss) const {
    return {loss,
            1.0,
            0.0,
            1.0,
            2,
            {leaves.data(), 2, 4},
            {first.data(), 3},
            {targets.data(), 4, 1},
            {weights.data(), 4}};
  }

  std::vector<double> refit(const std::vector<std::int64_t>& rows, const std::vector<std::int64_t>& columns,
                            std::size_t b) const {
    const std::vector<double> start(b, 0.0);
    std::vector<double> values(4 * b, -1.0);
    divulge::refit_boosting(boosting(BoostingLoss::squared), {start.data(), 1, b}, {rows.data(), rows.size()},
                            {columns.data(), columns.size()}, {values.data(), 4, b});
    return values;
  }
};

}  // namespace

TEST_CASE("leaves of squared loss are means of what is left") {
  const std::vector<double> values = Problem{}.refit({}, {}, 1);
  CHECK(values == std::vector<double>{2, 1, -1, 1});
}

TEST_CASE("a sample is left out of its column only, and an empty leaf adds nothing") {
  const std::vector<double> values = Problem{}.refit({0, 1}, {1, 1}, 10);
  for (std::size_t b = 0; b < 10; ++b) CHECK(values[b] == (b == 1 ? 0.0 : 2.0));
  CHECK(values[10 + 1] == 1.0);
  CHECK(values[20 + 1] == -1.0);  // of sample 2 alone
  CHECK(values[30 + 1] == 1.0);   // of sample 3 alone
}

TEST_CASE("the exponential agrees with the library's") {
  for (double x = -708; x <= 709; x += 0.37)
    CHECK(divulge::exponential(x) == doctest::Approx(std::exp(x)).epsilon(5e-16));
  CHECK(divulge::exponential(0) == 1.0);
  CHECK(divulge::exponential(-1e9) > 0);
  CHECK(std::isfinite(divulge::exponential(1e9)));
}

TEST_CASE("leaves that a tree does not have are refused") {
  Problem problem;
  problem.leaves[5] = 2;
  CHECK_THROWS_AS(problem.refit({}, {}, 1), std::invalid_argument);
  CHECK_THROWS_AS(Problem{}.refit({4}, {0}, 1), std::invalid_argument);
  CHECK_THROWS_AS(Problem{}.refit({0}, {1}, 1), std::invalid_argument);
  CHECK_THROWS_AS(divulge::boosting_loss("absolute"), std::invalid_argument);
}
