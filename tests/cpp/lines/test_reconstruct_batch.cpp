#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/lines/reconstruct_batch.h"
#include "core/network/network_oracle.h"
#include "core/parallel/thread_pool.h"
#include "networks.h"

using namespace divulge;
using divulge::test::normal_numbers;
using divulge::test::random_network;

namespace {

template <class T>
struct Victims {
  explicit Victims(std::size_t count, const std::vector<std::size_t>& sizes) {
    for (std::size_t i = 0; i < count; ++i) {
      owned.push_back(std::make_unique<NetworkOracle<T>>(random_network<T>(sizes, 100 + i), 0));
      oracles.push_back(owned.back().get());
    }
  }
  std::vector<std::unique_ptr<NetworkOracle<T>>> owned;
  std::vector<Oracle*> oracles;
};

double value(const OneLayerCopy& copy, const double* x) {
  double f = copy.output_bias;
  for (std::size_t i = 0; i < copy.hidden_units(); ++i) {
    double z = copy.offsets[i];
    for (std::size_t j = 0; j < copy.input_size; ++j) z += copy.rows[i * copy.input_size + j] * x[j];
    f += copy.output_weights[i] * std::max(z, 0.0);
  }
  return f;
}

}  // namespace

TEST_CASE_TEMPLATE("many victims are reconstructed", T, float, double) {
  const Victims<T> victims(40, {20, 16, 1});
  const std::vector<double> x = normal_numbers(20, 77);
  const std::vector<OneLayerCopy> copies = reconstruct_batch(victims.oracles, 3, -1);
  for (const OneLayerCopy& copy : copies) {
    CHECK(copy.clean);
    CHECK(copy.status == "clean");
    CHECK(copy.hidden_units() == 16);
    CHECK(copy.queries < 16 * 12);
  }
  for (std::size_t i = 0; i < copies.size(); ++i) {
    std::vector<double> f(1), g(20);
    victims.oracles[i]->query({x.data(), 1, 20}, {f.data(), 1}, {g.data(), 1, 20});
    CHECK(value(copies[i], x.data()) == doctest::Approx(f[0]).epsilon(sizeof(T) == 8 ? 1e-9 : 1e-2));
  }
}

TEST_CASE("the same for any number of threads") {
  const Victims<double> victims(9, {7, 5, 1});
  const int before = threads();
  set_threads(1);
  const auto one = reconstruct_batch(victims.oracles, 5, -1);
  set_threads(3);
  const auto three = reconstruct_batch(victims.oracles, 5, -1);
  set_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) {
    CHECK(one[i].rows == three[i].rows);
    CHECK(one[i].offsets == three[i].offsets);
    CHECK(one[i].output_bias == three[i].output_bias);
    CHECK(one[i].queries == three[i].queries);
  }
}

TEST_CASE("what is no clean victim is said to be none") {
  CHECK(reconstruct_batch({}, 1, -1).empty());
  const Victims<double> linear(1, {5, 1}), wide(1, {4, 9, 1}), deep(1, {8, 6, 5, 1}), good(1, {20, 16, 1});
  CHECK_FALSE(
      reconstruct_batch(linear.oracles, 1, -1)[0].clean);  // an affine function is no sum of such units
  const OneLayerCopy more = reconstruct_batch(wide.oracles, 1, -1)[0];
  CHECK_FALSE(more.clean);
  CHECK(more.status.find("9 hyperplanes in 4 dimensions") != std::string::npos);
  CHECK(std::isnan(more.output_weights[0]));
  CHECK_FALSE(reconstruct_batch(deep.oracles, 1, -1)[0].clean);
  const OneLayerCopy cut = reconstruct_batch(good.oracles, 1, 30)[0];
  CHECK_FALSE(cut.clean);
  CHECK(cut.queries == 30);
  CHECK(cut.status.find("30 queries") != std::string::npos);
}
