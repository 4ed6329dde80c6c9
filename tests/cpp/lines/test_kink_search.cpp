#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/lines/kink_search.h"
#include "core/network/network_oracle.h"
#include "core/parallel/interrupt.h"
#include "core/parallel/thread_pool.h"
#include "networks.h"

using namespace divulge;
using divulge::test::normal_numbers;
using divulge::test::random_network;

namespace {

// Hides that the oracle knows its inside, so that the search goes by answers alone; fails after some queries.
class Opaque : public Oracle {
 public:
  explicit Opaque(Oracle& inner, long long answers = unlimited)
      : Oracle(inner.input_size(), inner.epsilon()), inner_(inner), answers_(answers) {}

 protected:
  void answer(MatrixView<const double> points, Span<double> values, MatrixView<double> gradients) override {
    if ((answers_ -= static_cast<long long>(points.rows)) < 0) throw OracleFailure("out of order");
    inner_.query(points, values, gradients);
  }

 private:
  Oracle& inner_;
  long long answers_;
};

KinkSearchResult search(Oracle& oracle, std::size_t lines, std::uint64_t key, long long max_queries = -1) {
  const std::size_t d = oracle.input_size();
  const std::vector<double> u = normal_numbers(lines * d, key), v = normal_numbers(lines * d, key + 1);
  KinkSearchOptions options;
  options.low.assign(lines, -1e4);
  options.high.assign(lines, 1e4);
  options.max_queries = max_queries;
  return kink_search(oracle, {u.data(), lines, d}, {v.data(), lines, d}, options);
}

std::vector<double> true_kinks(const DenseNetwork<double>& net, std::uint64_t key) {
  const Layer<double>& layer = net.layer(0);
  const std::vector<double> u = normal_numbers(layer.inputs, key), v = normal_numbers(layer.inputs, key + 1);
  std::vector<double> t;
  for (std::size_t i = 0; i < layer.outputs; ++i) {
    double z_u = layer.bias[i], z_v = 0;
    for (std::size_t j = 0; j < layer.inputs; ++j) {
      z_u += layer.matrix()(i, j) * u[j];
      z_v += layer.matrix()(i, j) * v[j];
    }
    if (std::abs(z_u / z_v) < 1e4) t.push_back(-z_u / z_v);
  }
  std::sort(t.begin(), t.end());
  return t;
}

void check_equal(const KinkSearchResult& a, const KinkSearchResult& b) {
  CHECK(a.t == b.t);
  CHECK(a.line == b.line);
  CHECK(a.offsets == b.offsets);
  CHECK(a.queries == b.queries);
  CHECK(std::equal(a.jumps.data(), a.jumps.data() + a.t.size() * a.input_size, b.jumps.data()));
}

}  // namespace

TEST_CASE("every kink of a wide layer is found, at its place, with the unit's weights as its jump") {
  const auto net = random_network<double>({60, 100, 1}, 5);
  NetworkOracle<double> native(net, 0);
  Opaque opaque(native);
  const std::vector<double> expected = true_kinks(*net, 9);
  for (Oracle* oracle : {static_cast<Oracle*>(&native), static_cast<Oracle*>(&opaque)}) {
    const KinkSearchResult found = search(*oracle, 1, 9);
    CHECK(found.complete);
    CHECK(found.queries < 6 * 100);
    REQUIRE(found.t.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(std::abs(found.t[i] - expected[i]) < 1e-9 * (1 + std::abs(expected[i])));
  }
}

TEST_CASE("the result does not depend on threads, on other lines or on being asked in rounds") {
  const auto net = random_network<double>({12, 20, 10, 1}, 6);
  NetworkOracle<double> oracle(net, 0);
  const int before = threads();
  set_threads(1);
  const KinkSearchResult one = search(oracle, 5, 3);
  set_threads(3);
  check_equal(one, search(oracle, 5, 3));
  check_equal(one, search(oracle, 5, 3, 1000000));
  set_threads(before);
}

TEST_CASE("a budget or a failure ends the search with what is known") {
  NetworkOracle<double> oracle(random_network<double>({30, 40, 1}, 7), 0);
  const KinkSearchResult all = search(oracle, 2, 1);
  const KinkSearchResult some = search(oracle, 2, 1, 250);
  CHECK(some.queries == 250);
  CHECK_FALSE(some.complete);
  CHECK(some.message.find("250") != std::string::npos);
  CHECK(some.t.size() < all.t.size());
  for (const double t : some.t) CHECK(std::find(all.t.begin(), all.t.end(), t) != all.t.end());
  Opaque failing(oracle, 250);
  const KinkSearchResult failed = search(failing, 2, 1);
  CHECK_FALSE(failed.complete);
  CHECK(failed.message == "out of order");
  CHECK(failed.queries <= 250);
  CHECK(std::isfinite(failed.base_values[1]));
}

TEST_CASE("a linear function has no kinks; so have units without an output weight") {
  NetworkOracle<double> linear(random_network<double>({4, 2}, 1), 1);
  CHECK(search(linear, 3, 1).t.empty());
  NetworkOracle<double> dead(std::make_shared<DenseNetwork<double>>(
                                 std::vector<Layer<double>>{{1, 2, {1, 1}, {0, 1}}, {2, 1, {0, 2}, {0}}}),
                             0);
  const KinkSearchResult found = search(dead, 1, 1);
  CHECK(found.complete);
  CHECK(found.t.size() == 1);
  CHECK(search(linear, 0, 1).complete);
}

TEST_CASE("a saturating step, with equal gradients on both sides, is two kinks") {
  // max(x, 0) - max(x - 1, 0)
  NetworkOracle<double> oracle(std::make_shared<DenseNetwork<double>>(
                                   std::vector<Layer<double>>{{1, 2, {1, 1}, {0, -1}}, {2, 1, {1, -1}, {0}}}),
                               0);
  Opaque opaque(oracle);
  const std::vector<double> u{0.1}, v{1};
  KinkSearchOptions options;
  options.low = {-1e4};
  options.high = {1e4};
  const KinkSearchResult found = kink_search(opaque, {u.data(), 1, 1}, {v.data(), 1, 1}, options);
  REQUIRE(found.t.size() == 2);
  CHECK(found.t[0] == doctest::Approx(-0.1));
  CHECK(found.t[1] == doctest::Approx(0.9));
}

TEST_CASE("ranges and shapes are checked") {
  NetworkOracle<double> oracle(random_network<double>({2, 1}, 1), 0);
  const std::vector<double> u{0, 0}, v{1, 0}, zero{0, 0};
  KinkSearchOptions options;
  options.low = {1};
  options.high = {1};
  CHECK_THROWS_AS(kink_search(oracle, {u.data(), 1, 2}, {v.data(), 1, 2}, options), std::invalid_argument);
  options.high = {2};
  CHECK_THROWS_AS(kink_search(oracle, {u.data(), 1, 2}, {zero.data(), 1, 2}, options), std::invalid_argument);
  CHECK_THROWS_AS(kink_search(oracle, {u.data(), 2, 1}, {v.data(), 2, 1}, options), std::invalid_argument);
  CHECK_NOTHROW(kink_search(oracle, {u.data(), 1, 2}, {v.data(), 1, 2}, options));
}

TEST_CASE("the host can interrupt a search") {
  struct Stop {};
  NetworkOracle<double> oracle(random_network<double>({3, 4, 1}, 1), 0);
  Opaque opaque(oracle);
  set_interrupt_check([] { throw Stop(); });
  const auto ask_often = [&] {
    for (int i = 0; i < 1000000; ++i) search(opaque, 1, 1);
  };
  CHECK_THROWS_AS(ask_often(), Stop);
  set_interrupt_check(nullptr);
}
