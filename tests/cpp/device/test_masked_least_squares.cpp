#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

#include "core/linalg/blas.h"
#include "core/linalg/masked_least_squares.h"
#include "cuda/masked_least_squares.h"
#include "device/launch.h"
#include "device/memory.h"

using namespace divulge;
using memory::Device;

namespace {

using Numbers = std::vector<double>;

struct Solutions {
  Numbers coefficients, residuals;
  std::vector<std::int64_t> ranks;
};

struct Problems {
  std::size_t count, h, d;
  bool own;  // a basis for each
  Numbers basis, targets;
  std::vector<std::uint8_t> mask;
};

// The first d rows are sums of two neighbours of a rotated orthonormal basis, the rest multiples of them, as
// are some of the first: any of them have a condition below 3 once those are dropped that depend on others.
Problems draw(std::size_t count, std::size_t h, std::size_t d, bool own, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Problems p{count, h, d, own, Numbers((own ? count : 1) * h * d), Numbers(count * d), {}};
  Numbers v(d);
  double size = 0;
  for (double& x : v) size += std::pow(x = normal(random), 2);
  const auto rotated = [&](std::size_t i, std::size_t k) { return (i == k) - 2 * v[i] * v[k] / size; };
  for (std::size_t j = 0; d > 0 && j < p.basis.size() / d; ++j) {
    const std::size_t i = j % h, first = j - i;  // row i of its basis, which starts at row `first`
    const double share = 0.5 * std::uniform_real_distribution<double>(-1, 1)(random);
    const bool repeated = i >= d || (i > 0 && random() % 8 == 0);
    const std::size_t old = repeated ? random() % std::min(i, d) : 0;
    for (std::size_t k = 0; k < d; ++k)
      p.basis[j * d + k] = repeated ? 3 * share * p.basis[(first + old) * d + k]
                                    : rotated(i, k) + (i + 1 < d ? share * rotated(i + 1, k) : 0);
  }
  for (double& x : p.targets) x = normal(random);
  for (std::size_t k = 0; k < count * h; ++k) p.mask.push_back(random() % 5 < 3);
  return p;
}

Solutions by_engine(const Problems& p) {
  Solutions out{Numbers(p.count * p.h), Numbers(p.count), std::vector<std::int64_t>(p.count)};
  const std::unique_ptr<bool[]> mask(new bool[p.mask.size()]);
  std::copy(p.mask.begin(), p.mask.end(), mask.get());
  masked_least_squares({p.basis.data(), (p.own ? p.count : 1) * p.h, p.d}, {p.targets.data(), p.count, p.d},
                       {mask.get(), p.count, p.h}, 1e-10,
                       {{out.coefficients.data(), p.count, p.h},
                        {out.residuals.data(), p.count},
                        {out.ranks.data(), p.count}});
  return out;
}

// A basis that all share and that has no more rows than dimensions is reduced to R first.
Solutions by_kernel(const Problems& p) {
  Numbers rows = p.basis, targets = p.targets, outside(p.count);
  std::size_t m = p.d;
  const bool triangular = !p.own && p.h <= p.d;
  if (triangular) {
    m = p.h;
    Numbers transposed(p.d * p.h), rotated = p.targets;
    for (std::size_t j = 0; j < p.h; ++j)
      for (std::size_t k = 0; k < p.d; ++k) transposed[k * p.h + j] = p.basis[j * p.d + k];
    const QrFactor<double> factor({transposed.data(), p.d, p.h});
    rows.resize(p.h * p.h);
    factor.copy_r({rows.data(), p.h, p.h});
    factor.rotate({rotated.data(), p.count, p.d});
    targets.clear();
    for (std::size_t i = 0; i < p.count; ++i) {
      targets.insert(targets.end(), &rotated[i * p.d], &rotated[i * p.d] + m);
      for (std::size_t k = m; k < p.d; ++k) outside[i] += std::pow(rotated[i * p.d + k], 2);
    }
  }
  const auto count = static_cast<unsigned>(p.count), h = static_cast<unsigned>(p.h);
  const cuda::MaskedPlan plan = cuda::plan_masked_least_squares(count, h, static_cast<unsigned>(m), 0);
  const Device<double> on_rows(rows), on_targets(targets), on_outside(outside);
  const Device<std::uint8_t> mask(p.mask);
  const Device<double> coefficients(p.count * p.h), residuals(p.count);
  const Device<double> workspace(plan.workspace);
  const Device<std::int64_t> ranks(p.count);
  kernels::MaskedLeastSquares kernel;
  kernel.rows = on_rows.data();
  kernel.shared_rows = !p.own;
  kernel.triangular = triangular;
  kernel.targets = on_targets.data();
  kernel.outside = triangular ? on_outside.data() : nullptr;
  kernel.mask = mask.data();
  kernel.count = count;
  kernel.h = h;
  kernel.m = static_cast<unsigned>(m);
  kernel.tolerance = 1e-10;
  kernel.coefficients = coefficients.data();
  kernel.residuals = residuals.data();
  kernel.ranks = ranks.data();
  kernel.workspace = workspace.data();
  cuda::masked_least_squares(kernel, workspace.size(), {});
  return {coefficients.get(), residuals.get(), ranks.get()};
}

double distance(const Numbers& a, const Numbers& b) {
  double largest = 1, most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    largest = std::max(largest, std::abs(b[k]));
    most = std::max(most, std::isnan(a[k]) ? INFINITY : std::abs(a[k] - b[k]));
  }
  return most / largest;
}

void check(const Problems& p) {
  INFO("count ", p.count, " h ", p.h, " d ", p.d, " own ", p.own);
  const Solutions expected = by_engine(p), got = by_kernel(p);
  CHECK(got.ranks == expected.ranks);
  CHECK(distance(got.coefficients, expected.coefficients) < 1e-12);
  CHECK(distance(got.residuals, expected.residuals) < 1e-12);
}

}  // namespace

TEST_CASE("masked least squares: the kernel solves as the engine does" * doctest::skip(test::watched)) {
  std::mt19937_64 random(1);
  for (std::uint64_t seed = 0; seed < test::trials; ++seed) {
    const std::size_t count = random() % 9, h = random() % 24, d = random() % 24;
    test::set_schedule(seed % 2 ? 32 : 96, seed);
    check(draw(count, h, d, random() % 2, seed));
  }
  test::set_schedule(0, 3);
  check(draw(2, 68, 80, false, 100));
  check(draw(2, 40, 66, true, 101));
  test::set_schedule(0, 0);
}

TEST_CASE("masked least squares: no order of threads changes a bit" * doctest::skip(test::watched)) {
  const Problems p = draw(7, 12, 15, false, 7);
  test::set_schedule(64, 0);
  const Solutions first = by_kernel(p);
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    test::set_schedule(64, seed);
    const Solutions again = by_kernel(p);
    CHECK(again.coefficients == first.coefficients);
    CHECK(again.residuals == first.residuals);
  }
  test::set_schedule(0, 0);
}

TEST_CASE("masked least squares: threads of the system find the same") {
  const Problems p = draw(4, 6, 9, true, 8), shared = draw(4, 6, 9, false, 9);
  for (std::uint64_t seed = 0; seed < 2; ++seed) {
    test::set_schedule(64, seed, true);
    check(p);
    check(shared);
  }
  test::set_schedule(0, 0);
}

TEST_CASE("masked least squares: a workspace too small is refused") {
  kernels::MaskedLeastSquares kernel;
  kernel.count = kernel.h = kernel.m = 2;
  CHECK_THROWS_AS(cuda::masked_least_squares(kernel, 3, {}), std::invalid_argument);
}
