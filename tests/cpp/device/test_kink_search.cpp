#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "core/linalg/blas.h"
#include "core/lines/kink_search.h"
#include "core/network/network_oracle.h"
#include "cuda/kink_search.h"
#include "device/launch.h"
#include "device/memory.h"
#include "device/network.h"
#include "networks.h"

using namespace divulge;
using memory::Device;
using test::normal_numbers;

namespace {

struct Lines {
  std::size_t count, d;
  std::vector<double> u, v;
};

template <class T>
Lines draw_lines(std::size_t count, std::size_t d, std::uint64_t key) {
  Lines lines{count, d, normal_numbers(count * d, key), normal_numbers(count * d, key + 1)};
  for (auto* x : {&lines.u, &lines.v})
    for (double& value : *x) value = static_cast<double>(static_cast<T>(value));
  return lines;
}

double norm(const double* x, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return std::sqrt(sum);
}

constexpr double low = -1e3, high = 1e3;

template <class T>
KinkSearchResult by_engine(const DenseNetwork<T>& net, std::size_t output, const Lines& lines) {
  NetworkOracle<T> oracle(std::make_shared<DenseNetwork<T>>(net), output);
  KinkSearchOptions options;
  options.low.assign(lines.count, low);
  options.high.assign(lines.count, high);
  return kink_search(oracle, {lines.u.data(), lines.count, lines.d}, {lines.v.data(), lines.count, lines.d},
                     options);
}

// What the kernels find, in the engine's form.
struct Found {
  std::vector<std::int64_t> line;
  std::vector<double> t, jumps, offsets, base_values, base_gradients;
  std::vector<std::int32_t> gaps, overflow;
  long long queries = 0;
};

// Lines of victim k are k lines_a_victim, ...
template <class T>
Found by_kernel(const std::vector<DenseNetwork<T>>& nets, std::size_t output, const Lines& lines,
                unsigned max_kinks) {
  const std::size_t count = lines.count, d = lines.d, each = std::max<std::size_t>(1, count / nets.size());
  const test::DeviceNetwork<T> net(nets);
  const std::size_t width = nets[0].layer(0).outputs;
  std::vector<T> z_u(count * width), z_v(count * width);
  std::vector<double> lows(count, low), highs(count, high), scales;
  for (std::size_t i = 0; i < count; ++i) {
    const Layer<T>& layer = nets[i / each].layer(0);
    const std::vector<T> u(&lines.u[i * d], &lines.u[i * d] + d), v(&lines.v[i * d], &lines.v[i * d] + d);
    std::copy(layer.bias.begin(), layer.bias.end(), &z_u[i * width]);
    gemv<T>(Op::none, 1, layer.matrix(), {u.data(), d}, 1, Span<T>{&z_u[i * width], width});
    gemv<T>(Op::none, 1, layer.matrix(), {v.data(), d}, 0, Span<T>{&z_v[i * width], width});
    scales.push_back(norm(&lines.u[i * d], d) / norm(&lines.v[i * d], d));
  }
  const bool single = sizeof(T) == 4;
  const std::size_t words = net.view().pattern_words(), room = count * max_kinks;
  const Device<T> on_u(z_u), on_v(z_v);
  const Device<double> on_low(lows), on_high(highs), on_scale(scales);
  const Device<double> t(room), gaps(2 * room), base_values(count);
  const Device<std::uint32_t> left(room * words), right(room * words), base(count * words);
  const Device<std::int32_t> kinks(count), gap_count(count), overflow(count);
  const Device<std::int64_t> queries(count);
  kernels::KinkSearch<T> search;
  search.net = net.view();
  search.output = static_cast<unsigned>(output);
  search.lines = static_cast<unsigned>(count);
  search.lines_a_victim = static_cast<unsigned>(each);
  search.max_kinks = max_kinks;
  search.z_u = on_u.data();
  search.z_v = on_v.data();
  search.low = on_low.data();
  search.high = on_high.data();
  search.scale = on_scale.data();
  search.options =
      kernels::line_options(static_cast<double>(std::numeric_limits<T>::epsilon()), single, 0, 0.5);
  search.options.float32_abscissas = single;
  search.tolerance = kernels::gradient_tolerance(single, 0);
  search.kink_t = t.data();
  search.gaps = gaps.data();
  search.base_values = base_values.data();
  search.left_patterns = left.data();
  search.right_patterns = right.data();
  search.base_patterns = base.data();
  search.kink_count = kinks.data();
  search.gap_count = gap_count.data();
  search.overflow = overflow.data();
  search.queries = queries.data();
  const Device<unsigned char> workspace(cuda::plan_kink_search(search, 0).workspace);
  search.workspace = workspace.data();
  cuda::kink_search(search, workspace.size(), {});

  Found found;
  found.gaps = gap_count.get();
  found.overflow = overflow.get();
  found.base_values = base_values.get();
  for (const std::int64_t n : queries.get()) found.queries += n;
  const auto counts = kinks.get();
  const auto all_t = t.get();
  const auto all_left = left.get(), all_right = right.get();
  std::vector<std::uint32_t> some_left, some_right;
  std::vector<std::int64_t> every_line;
  for (std::size_t i = 0; i < count; ++i) {
    every_line.push_back(static_cast<std::int64_t>(i));
    for (std::size_t k = i * max_kinks; k < i * max_kinks + static_cast<std::size_t>(counts[i]); ++k) {
      found.line.push_back(static_cast<std::int64_t>(i));
      found.t.push_back(all_t[k]);
      some_left.insert(some_left.end(), &all_left[k * words], &all_left[k * words] + words);
      some_right.insert(some_right.end(), &all_right[k * words], &all_right[k * words] + words);
    }
  }
  const Device<std::int64_t> line(found.line), lines_of_base(every_line);
  const Device<std::uint32_t> on_left(some_left), on_right(some_right);
  const Device<double> on_t(found.t), u(lines.u), v(lines.v);
  const Device<double> jumps(found.t.size() * d), offsets(found.t.size()), gradients(count * d);
  kernels::KinkJumps<T> kernel;
  kernel.net = net.view();
  kernel.output = static_cast<unsigned>(output);
  kernel.count = static_cast<unsigned>(found.t.size());
  kernel.lines_a_victim = static_cast<unsigned>(each);
  kernel.line = line.data();
  kernel.left = on_left.data();
  kernel.right = on_right.data();
  kernel.t = on_t.data();
  kernel.origins = u.data();
  kernel.directions = v.data();
  kernel.jumps = jumps.data();
  kernel.offsets = offsets.data();
  cuda::kink_jumps(kernel, {});
  kernel.count = static_cast<unsigned>(count);
  kernel.line = lines_of_base.data();
  kernel.left = nullptr;
  kernel.right = base.data();
  kernel.t = nullptr;
  kernel.jumps = gradients.data();
  cuda::kink_jumps(kernel, {});
  found.jumps = jumps.get();
  found.offsets = offsets.get();
  found.base_gradients = gradients.get();
  return found;
}

double distance(const double* a, const double* b, std::size_t n) {
  double largest = 0, most = 0;
  for (std::size_t k = 0; k < n; ++k) {
    largest = std::max({largest, std::abs(a[k]), std::abs(b[k])});
    most = std::max(most, std::isnan(a[k]) ? INFINITY : std::abs(a[k] - b[k]));
  }
  return largest > 0 ? most / largest : 0;
}

// The norm of the largest gradient on each line.
std::vector<double> largest_gradients(const KinkSearchResult& found, std::size_t d) {
  std::vector<double> largest, g = found.base_gradients;
  for (std::size_t i = 0; i < found.base_values.size(); ++i) largest.push_back(norm(&g[i * d], d));
  for (std::size_t k = 0; k < found.line.size(); ++k) {
    const auto i = static_cast<std::size_t>(found.line[k]);
    for (std::size_t j = 0; j < d; ++j) g[i * d + j] += found.jumps.data()[k * d + j];
    largest[i] = std::max(largest[i], norm(&g[i * d], d));
  }
  return largest;
}

template <class T>
void check(const DenseNetwork<T>& net, std::size_t output, const Lines& lines) {
  const double tolerance = sizeof(T) == 4 ? 2e-5 : 1e-12, slack = sizeof(T) == 4 ? 100 : 1;  // of t
  const KinkSearchResult expected = by_engine(net, output, lines);
  const Found got = by_kernel<T>({net}, output, lines, 256);
  REQUIRE(got.line == expected.line);
  for (const std::int32_t full : got.overflow) CHECK(full == 0);
  for (std::size_t i = 0; i < lines.count; ++i) {
    CHECK((got.gaps[i] == 0) == (expected.complete_lines[i] != 0));
    CHECK(std::abs(got.base_values[i] - expected.base_values[i]) <=
          tolerance * (std::abs(low) + std::abs(expected.base_values[i])));
    CHECK(distance(&got.base_gradients[i * lines.d], &expected.base_gradients[i * lines.d], lines.d) <
          tolerance);
  }
  const std::vector<double> largest = largest_gradients(expected, lines.d);
  for (std::size_t k = 0; k < got.t.size(); ++k) {
    const double* jump = &expected.jumps.data()[k * lines.d];
    const std::size_t on = static_cast<std::size_t>(got.line[k]);
    const double slope = norm(jump, lines.d);
    const double unit = 1 + largest[on] / slope;  // rounding is relative to the gradients, not to the jump
    CHECK(std::abs(got.t[k] - expected.t[k]) <= slack * tolerance * unit * (1 + std::abs(expected.t[k])));
    CHECK(distance(&got.jumps[k * lines.d], jump, lines.d) < tolerance * unit);
    CHECK(std::abs(got.offsets[k] - expected.offsets[k]) <= slack * tolerance * unit * slope *
                                                                (1 + std::abs(expected.t[k])) *
                                                                norm(&lines.v[on * lines.d], lines.d));
  }
}

template <class T>
void check_random(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::size_t> sizes{1 + random() % 12};
  for (std::size_t l = random() % 4; l > 0; --l) sizes.push_back(1 + random() % (sizes.size() > 1 ? 12 : 40));
  sizes.push_back(1 + random() % 3);
  INFO("seed ", seed, " layers ", sizes.size() - 1);
  check(*test::random_network<T>(sizes, seed), random() % sizes.back(),
        draw_lines<T>(1 + random() % 3, sizes[0], seed + 1000));
}

}  // namespace

TEST_CASE("kink search: the kernel finds what the engine finds" * doctest::skip(test::watched)) {
  for (std::uint64_t seed = 0; seed < test::trials; ++seed) {
    test::set_schedule(seed % 4 == 0 ? 64 : 32, seed);
    seed % 2 ? check_random<float>(seed) : check_random<double>(seed);
  }
  test::set_schedule(0, 0);
}

TEST_CASE("kink search: threads of the system find the same") {
  test::set_schedule(64, 1, true);
  check(*test::random_network<double>({3, 5, 1}, 5), 0, draw_lines<double>(1, 3, 6));
  test::set_schedule(32, 1, true);
  check(*test::random_network<double>({3, 4, 3, 1}, 7), 0, draw_lines<double>(1, 3, 8));
  test::set_schedule(0, 0);
}

TEST_CASE("kink search: victims of one shape share a launch, and change nothing for each other" *
          doctest::skip(test::watched)) {
  const std::vector<DenseNetwork<double>> nets = {*test::random_network<double>({4, 9, 1}, 1),
                                                  *test::random_network<double>({4, 9, 1}, 2),
                                                  *test::random_network<double>({4, 9, 1}, 3)};
  const Lines lines = draw_lines<double>(6, 4, 9);
  test::set_schedule(32, 2);
  const Found all = by_kernel(nets, 0, lines, 16);
  std::size_t kinks = 0;
  for (std::size_t k = 0; k < nets.size(); ++k) {
    const auto part = [&](const std::vector<double>& x) {
      return std::vector<double>(&x[k * 8], &x[k * 8] + 8);
    };
    const Found one = by_kernel<double>({nets[k]}, 0, {2, 4, part(lines.u), part(lines.v)}, 16);
    REQUIRE(kinks + one.t.size() <= all.t.size());
    CHECK(std::equal(one.t.begin(), one.t.end(), all.t.begin() + static_cast<std::ptrdiff_t>(kinks)));
    CHECK(std::equal(one.jumps.begin(), one.jumps.end(),
                     all.jumps.begin() + static_cast<std::ptrdiff_t>(4 * kinks)));
    kinks += one.t.size();
  }
  CHECK(kinks == all.t.size());
  test::set_schedule(0, 0);
}

TEST_CASE("kink search: more kinks than there is room for are said to be" * doctest::skip(test::watched)) {
  const auto net = test::random_network<double>({4, 30, 1}, 1);
  test::set_schedule(32, 2);
  const Found found = by_kernel<double>({*net}, 0, draw_lines<double>(1, 4, 9), 5);
  CHECK(found.overflow[0] == 1);
  CHECK(found.t.size() <= 5);
  test::set_schedule(0, 0);
}
