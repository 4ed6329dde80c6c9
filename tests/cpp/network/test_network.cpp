#include <doctest/doctest.h>

#include <stdexcept>

#include "core/network/network_oracle.h"
#include "networks.h"

using namespace divulge;
using divulge::test::normal_numbers;
using divulge::test::random_network;

TEST_CASE("two units by hand: f(x, y) = 2 max(x - 1, 0) - 3 max(y, 0) + 5") {
  const DenseNetwork<double> net({{2, 2, {1, 0, 0, 1}, {-1, 0}}, {2, 1, {2, -3}, {5}}});
  const std::vector<double> points{3, 2, 1, 0, 0, 4};
  std::vector<double> f(3), g(6);
  net.values_and_gradients({points.data(), 3, 2}, 0, {f.data(), 3}, {g.data(), 3, 2});
  CHECK(f == std::vector<double>{3, 5, -7});
  CHECK(g == std::vector<double>{2, -3, 0, 0, 0, -3});  // at exactly 0 a unit is inactive
}

TEST_CASE_TEMPLATE("gradients are the differences of values inside a linear piece", T, float, double) {
  for (const std::vector<std::size_t>& sizes :
       {std::vector<std::size_t>{7, 2}, {5, 9, 3}, {6, 8, 7, 2}, {4, 11, 3, 5, 2}}) {
    const auto net = random_network<T>(sizes, 3);
    const std::size_t d = sizes.front(), outputs = sizes.back();
    const std::vector<double> x = normal_numbers(2 * d, 4);
    const T step = static_cast<T>(sizeof(T) == 8 ? 1e-6 : 1e-3);
    std::vector<T> u(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(d)),
        v(x.begin() + static_cast<std::ptrdiff_t>(d), x.end());
    std::vector<T> points(u);
    for (std::size_t j = 0; j < d; ++j) points.push_back(u[j] + step * v[j]);
    std::vector<T> all(2 * outputs), f(2), g(2 * d), line_f(2), slope(2);
    const std::vector<T> t{0, step};
    net->values({points.data(), 2, d}, {all.data(), 2, outputs});
    net->values_and_gradients({points.data(), 2, d}, 1, {f.data(), 2}, {g.data(), 2, d});
    net->values_and_slopes_on_line({u.data(), d}, {v.data(), d}, {t.data(), 2}, 1, {line_f.data(), 2},
                                   {slope.data(), 2});
    double directional = 0;
    for (std::size_t j = 0; j < d; ++j) directional += static_cast<double>(g[j] * v[j]);
    const double loose = sizeof(T) == 8 ? 1e-7 : 2e-3;
    CHECK(static_cast<double>(f[0]) == doctest::Approx(static_cast<double>(all[1])).epsilon(1e-5));
    CHECK(static_cast<double>(line_f[1]) == doctest::Approx(static_cast<double>(f[1])).epsilon(1e-5));
    CHECK(static_cast<double>(slope[0]) == doctest::Approx(directional).epsilon(1e-4));
    CHECK(static_cast<double>((f[1] - f[0]) / step) == doctest::Approx(directional).epsilon(loose * 100));
  }
}

TEST_CASE("networks that do not fit together are refused") {
  CHECK_THROWS_AS(DenseNetwork<float>({}), std::invalid_argument);
  CHECK_THROWS_AS(DenseNetwork<float>({{2, 3, std::vector<float>(6), std::vector<float>(2)}}),
                  std::invalid_argument);
  CHECK_THROWS_AS(DenseNetwork<float>({{1, 2, {1, 1}, {0, 0}}, {3, 1, {1, 1, 1}, {0}}}),
                  std::invalid_argument);
  CHECK_THROWS_AS(NetworkOracle<double>(random_network<double>({2, 1}, 1), 1), std::invalid_argument);
}

TEST_CASE("an oracle counts, and refuses what its budget does not hold") {
  NetworkOracle<double> oracle(random_network<double>({3, 4, 1}, 1), 0);
  oracle.set_max_queries(5);
  const std::vector<double> x(12);
  std::vector<double> f(4), g(12);
  oracle.query({x.data(), 4, 3}, {f.data(), 4}, {g.data(), 4, 3});
  CHECK(oracle.queries() == 4);
  CHECK_THROWS_AS(oracle.query({x.data(), 4, 3}, {f.data(), 4}, {g.data(), 4, 3}), BudgetExhausted);
  CHECK(oracle.queries() == 4);
  CHECK(oracle.remaining() == 1);
  CHECK_THROWS_AS(oracle.query({x.data(), 3, 4}, {f.data(), 3}, {g.data(), 3, 4}), std::invalid_argument);
}
