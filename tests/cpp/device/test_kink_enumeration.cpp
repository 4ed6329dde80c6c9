#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/linalg/blas.h"
#include "cuda/kink_search.h"
#include "device/launch.h"
#include "device/memory.h"
#include "device/network.h"
#include "networks.h"

using namespace divulge;
using memory::Device;
using test::normal_numbers;

namespace {

struct Walk {
  std::vector<double> t;
  std::vector<std::int32_t> unit;
  bool overflow;
};

struct Sums {
  std::vector<double> u, v;  // of the first layer, (h_1,)
};

Sums first_sums(const DenseNetwork<double>& net, std::uint64_t key) {
  const Layer<double>& layer = net.layer(0);
  const auto u = normal_numbers(layer.inputs, key), v = normal_numbers(layer.inputs, key + 1);
  Sums z{layer.bias, std::vector<double>(layer.outputs)};
  gemv<double>(Op::none, 1, layer.matrix(), {u.data(), u.size()}, 1, Span<double>{z.u.data(), z.u.size()});
  gemv<double>(Op::none, 1, layer.matrix(), {v.data(), v.size()}, 0, Span<double>{z.v.data(), z.v.size()});
  return z;
}

Walk walk(const DenseNetwork<double>& net, const Sums& z, double low, double high, unsigned max_kinks) {
  const test::DeviceNetwork<double> on_device({net});
  const Device<double> u(z.u), v(z.v), from(std::vector<double>{low}), to(std::vector<double>{high});
  const Device<double> t(max_kinks);
  const Device<std::int32_t> unit(max_kinks), count(1), overflow(1);
  kernels::KinkEnumeration<double> kernel;
  kernel.net = on_device.view();
  kernel.lines = 1;
  kernel.max_kinks = max_kinks;
  kernel.z_u = u.data();
  kernel.z_v = v.data();
  kernel.low = from.data();
  kernel.high = to.data();
  kernel.kink_t = t.data();
  kernel.unit = unit.data();
  kernel.kink_count = count.data();
  kernel.overflow = overflow.data();
  cuda::enumerate_kinks(kernel, {});
  Walk found{t.get(), unit.get(), overflow.get()[0] != 0};
  found.t.resize(static_cast<std::size_t>(count.get()[0]));
  found.unit.resize(found.t.size());
  return found;
}

// The units that are active in the middle of every piece, by the engine.
std::vector<std::uint8_t> patterns(const DenseNetwork<double>& net, const Sums& z, const Walk& found,
                                   double low, double high) {
  std::vector<double> ends = found.t, middles;
  ends.insert(ends.begin(), low);
  ends.push_back(high);
  for (std::size_t k = 0; k + 1 < ends.size(); ++k) middles.push_back((ends[k] + ends[k + 1]) / 2);
  const std::size_t m = middles.size(), units = net.hidden_units();
  std::vector<double> values(m), slopes(m);
  std::vector<std::uint8_t> out(m * units);
  net.on_line({z.u.data(), z.u.size()}, {z.v.data(), z.v.size()}, {middles.data(), m}, 0, {values.data(), m},
              {slopes.data(), m}, {out.data(), m, units});
  return out;
}

void check(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::size_t> sizes{1 + random() % 9};
  for (std::size_t l = 1 + random() % 3; l > 0; --l) sizes.push_back(1 + random() % 40);
  sizes.push_back(1);
  const auto net = test::random_network<double>(sizes, seed);
  const Sums z = first_sums(*net, seed + 77);
  const Walk found = walk(*net, z, -20, 20, 1000);
  INFO("seed ", seed, " kinks ", found.t.size());
  CHECK(!found.overflow);
  CHECK(std::is_sorted(found.t.begin(), found.t.end()));
  const std::size_t units = net->hidden_units();
  const auto active = patterns(*net, z, found, -20, 20);
  for (std::size_t k = 0; k < found.t.size(); ++k) {
    std::vector<std::int32_t> turned;
    for (std::size_t i = 0; i < units; ++i)
      if (active[k * units + i] != active[(k + 1) * units + i])
        turned.push_back(static_cast<std::int32_t>(i));
    CHECK(turned == std::vector<std::int32_t>{found.unit[k]});
  }
}

}  // namespace

TEST_CASE("kink enumeration: from piece to piece just the unit named switches" *
          doctest::skip(test::watched)) {
  for (std::uint64_t seed = 0; seed < test::trials; ++seed) {
    test::set_schedule(seed % 2 ? 32 : 96, seed);
    check(seed);
  }
  test::set_schedule(0, 0);
}

TEST_CASE("kink enumeration: threads of the system find the same") {
  test::set_schedule(64, 1, true);
  const auto net = test::random_network<double>({3, 6, 4, 1}, 1);
  const Sums z = first_sums(*net, 5);
  const Walk one = walk(*net, z, -20, 20, 50);
  test::set_schedule(32, 1);
  const Walk two = walk(*net, z, -20, 20, 50);
  CHECK(one.unit == two.unit);
  CHECK(one.t.size() == two.t.size());
  test::set_schedule(0, 0);
}

TEST_CASE("kink enumeration: more kinks than there is room for are said to be") {
  test::set_schedule(32, 1);
  const auto net = test::random_network<double>({3, 20, 1}, 1);
  const Walk found = walk(*net, first_sums(*net, 5), -20, 20, 3);
  CHECK(found.overflow);
  CHECK(found.t.size() == 3);
  test::set_schedule(0, 0);
}
