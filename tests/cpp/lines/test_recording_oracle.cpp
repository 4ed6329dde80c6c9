#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>

#include "core/lines/kink_search.h"
#include "core/lines/recording_oracle.h"
#include "core/network/network_oracle.h"
#include "networks.h"

using namespace divulge;
using divulge::test::normal_numbers;
using divulge::test::random_network;

namespace {

std::shared_ptr<NetworkOracle<double>> network_oracle() {
  return std::make_shared<NetworkOracle<double>>(random_network<double>({6, 5, 1}, 3), 0);
}

KinkSearchOptions whole_lines(std::size_t lines) {
  KinkSearchOptions options;
  options.low.assign(lines, -100.0);
  options.high.assign(lines, 100.0);
  return options;
}

}  // namespace

TEST_CASE("a recording oracle keeps every answer of a search") {
  RecordingOracle oracle(network_oracle());
  const std::vector<double> lines = normal_numbers(2 * 3 * 6, 4);
  const KinkSearchResult found =
      kink_search(oracle, {lines.data(), 3, 6}, {lines.data() + 18, 3, 6}, whole_lines(3));
  CHECK(found.t.size() > 3);
  CHECK(static_cast<long long>(oracle.values().size) == oracle.queries());
  CHECK(oracle.points().rows == oracle.gradients().rows);
  const auto again = network_oracle();
  std::vector<double> values(oracle.values().size), gradients(oracle.gradients().size());
  again->query(oracle.points(), {values.data(), values.size()},
               {gradients.data(), values.size(), oracle.input_size()});
  for (std::size_t i = 0; i < values.size(); ++i)
    CHECK(values[i] == doctest::Approx(oracle.values()[i]).epsilon(1e-12));
}

TEST_CASE("what was recorded before a budget ends stays") {
  RecordingOracle oracle(network_oracle(), 9);
  const std::vector<double> lines = normal_numbers(2 * 6, 4);
  const KinkSearchResult found =
      kink_search(oracle, {lines.data(), 1, 6}, {lines.data() + 6, 1, 6}, whole_lines(1));
  CHECK(!found.message.empty());
  CHECK(oracle.values().size == 9);
}
