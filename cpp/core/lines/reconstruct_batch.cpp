#include "core/lines/reconstruct_batch.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/linalg/householder.h"
#include "core/lines/kink_search.h"
#include "core/parallel/interrupt.h"
#include "core/parallel/thread_pool.h"
#include "kernels/normal.h"
#include "kernels/relu.h"

namespace divulge {
namespace {

constexpr double farthest =
    1e4;  // kinks on a random line are Cauchy distributed: 6e-5 of them lie further out
constexpr std::size_t most_lines = 6;
constexpr std::size_t fresh_points = 4;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Vectors are short here: four sums side by side cost less than a call of BLAS.
double dot_product(const double* x, const double* y, std::size_t n) {
  double sums[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (std::size_t k = 0; k < 4; ++k) sums[k] += x[i + k] * y[i + k];
  for (; i < n; ++i) sums[0] += x[i] * y[i];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

void fill_normal(std::uint64_t key, std::vector<double>& out) {
  for (std::size_t i = 0; i < out.size(); i += 2) {
    double second;
    kernels::normal_pair(key, i / 2, out[i], second);
    if (i + 1 < out.size()) out[i + 1] = second;
  }
}

// The hyperplanes found, each {x : D.x + c = 0} with the jump D of the gradient across it.
struct Hyperplanes {
  explicit Hyperplanes(std::size_t dimension) : d(dimension) {}

  std::size_t size() const { return offsets.size(); }
  const double* jump(std::size_t i) const { return &jumps[i * d]; }

  // Whether x lies on the side that the jump leads to.
  bool beyond(std::size_t i, const double* x) const {
    return towards[i] * (dot_product(jump(i), x, d) + offsets[i]) > 0;
  }

  // The first `count` are searched for the same hyperplane with the same jump, up to the direction of
  // crossing. Returns `count` where there is none.
  std::size_t find(std::size_t count, const double* other, double offset, double tolerance) const {
    const double other_size = dot_product(other, other, d);
    for (std::size_t i = 0; i < count; ++i) {
      const double size_here = dot_product(jump(i), jump(i), d), across = dot_product(jump(i), other, d);
      const double sign = across < 0 ? -1 : 1;
      if (size_here + other_size - 2 * sign * across > tolerance * tolerance * size_here) continue;
      if (std::abs(offsets[i] - sign * offset) <= tolerance * (std::sqrt(size_here) + std::abs(offset)))
        return i;
    }
    return count;
  }

  void add(const KinkSearchResult& found, const std::vector<double>& direction, double tolerance) {
    const std::size_t before = size();
    for (std::size_t k = 0; k < found.t.size(); ++k) {
      const double* row = found.jumps.data() + k * d;
      const std::size_t i = find(before, row, found.offsets[k], tolerance);
      if (i < before) {
        ++seen[i];
        continue;
      }
      seen.push_back(1);
      jumps.insert(jumps.end(), row, row + d);
      offsets.push_back(found.offsets[k]);
      towards.push_back(dot_product(row, direction.data(), d) > 0 ? 1.0 : -1.0);
    }
  }

  // Those met on at least two lines: two kinks at one place look like one, but not on another line.
  Hyperplanes confirmed() const {
    Hyperplanes some(d);
    for (std::size_t i = 0; i < size(); ++i) {
      if (seen[i] < 2) continue;
      some.jumps.insert(some.jumps.end(), jump(i), jump(i) + d);
      some.offsets.push_back(offsets[i]);
      some.towards.push_back(towards[i]);
    }
    return some;
  }

  std::size_t d;
  std::vector<double> jumps, offsets;
  std::vector<int> seen;        // lines on which it was met
  std::vector<double> towards;  // +1 where the line's direction crosses from D.x + c < 0 to > 0, else -1
};

// Uniform with variance 1: cheaper than normal numbers, and as good where no direction matters.
void fill_uniform(std::uint64_t key, std::vector<double>& out) {
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = (kernels::uniform(key, i) - 0.5) * 3.4641016151377544;  // sqrt(12)
}

class Victim {
 public:
  Victim(Oracle& oracle, std::uint64_t key, long long max_queries)
      : oracle_(oracle),
        key_(key),
        max_queries_(max_queries),
        all_(oracle.input_size()),
        planes_(oracle.input_size()) {
    copy_.input_size = oracle.input_size();
    copy_.certificate = not_a_number;
    tolerance_ = oracle.single_precision() ? 1e-3 : 1e-7;
  }

  OneLayerCopy run() {
    for (std::size_t line = 0; line < most_lines; ++line) {
      if (!search(line)) break;
      if (!find_signs()) continue;
      if (!check(line)) break;
      copy_.clean = copy_.certificate <= tolerance_;
      copy_.status = copy_.clean ? "clean" : "fresh queries show that units are missing or wrong";
      if (copy_.clean) break;
    }
    if (copy_.offsets.empty()) report_hyperplanes();
    return std::move(copy_);
  }

 private:
  long long left() const { return max_queries_ < 0 ? -1 : std::max(0LL, max_queries_ - copy_.queries); }

  bool search(std::size_t line) {
    const std::size_t d = oracle_.input_size();
    std::vector<double> origin(d), direction(d);
    const std::uint64_t key = kernels::substream(key_, 2 * line);
    fill_normal(kernels::substream(key, 0), origin);
    fill_normal(kernels::substream(key, 1), direction);
    KinkSearchOptions options;
    options.low = {-farthest};
    options.high = {farthest};
    options.max_queries = left();
    const KinkSearchResult found =
        kink_search(oracle_, {origin.data(), 1, d}, {direction.data(), 1, d}, options);
    copy_.queries += found.queries;
    all_.add(found, direction, oracle_.single_precision() ? 1e-2 : 1e-7);
    planes_ = line == 0 ? all_ : all_.confirmed();
    if (!found.message.empty()) copy_.status = found.message;
    if (line == 0) {
      base_gradient_ = found.base_gradients;
      base_point_.resize(d);
      for (std::size_t j = 0; j < d; ++j) base_point_[j] = origin[j] - farthest * direction[j];
    }
    return found.message.empty();
  }

  // With beyond_i(x) in {0, 1}:  g(x) = sum_i (beyond_i(x) - beta_i) D_i  at every x, beta_i = 1 for a unit
  // that is active on the side its jump comes from.
  bool find_signs() {
    const std::size_t h = planes_.size(), d = oracle_.input_size();
    if (h > d) {
      copy_.status = "found " + std::to_string(h) + " hyperplanes in " + std::to_string(d) +
                     " dimensions: with more units than inputs least squares can not tell the signs";
      return false;
    }
    std::vector<double> columns = planes_.jumps, rhs(d), beta(h);
    for (std::size_t j = 0; j < d; ++j) rhs[j] = -base_gradient_[j];
    for (std::size_t i = 0; i < h; ++i)
      if (planes_.beyond(i, base_point_.data()))
        for (std::size_t j = 0; j < d; ++j) rhs[j] += planes_.jump(i)[j];
    if (!solve_small({columns.data(), h, d}, {rhs.data(), d}, {beta.data(), h})) {
      copy_.status = "the jumps found are linearly dependent";
      return false;
    }
    return set_units(beta);
  }

  // A unit that its jump switches on has w a = D and is active beyond the hyperplane; one that it switches
  // off has w a = -D and is active on this side.
  bool set_units(const std::vector<double>& beta) {
    report_hyperplanes();
    for (std::size_t i = 0; i < beta.size(); ++i) {
      if (!(std::min(std::abs(beta[i]), std::abs(beta[i] - 1)) < 0.1)) {
        copy_.status = "no sign pattern explains the gradient";
        return false;
      }
      const double flip = beta[i] > 0.5 ? -planes_.towards[i] : planes_.towards[i];
      for (double* a = &copy_.rows[i * planes_.d]; a != &copy_.rows[i * planes_.d] + planes_.d; ++a)
        *a *= flip;
      copy_.offsets[i] *= flip;
      const double size = std::sqrt(dot_product(planes_.jump(i), planes_.jump(i), planes_.d));
      copy_.output_weights[i] = planes_.towards[i] * size;
    }
    return true;
  }

  void report_hyperplanes() {
    copy_.rows = planes_.jumps;
    copy_.offsets = planes_.offsets;
    copy_.output_weights.assign(planes_.size(), not_a_number);
    for (std::size_t i = 0; i < planes_.size(); ++i) {
      const double size = std::sqrt(dot_product(planes_.jump(i), planes_.jump(i), planes_.d));
      for (std::size_t j = 0; j < planes_.d; ++j) copy_.rows[i * planes_.d + j] /= size;
      copy_.offsets[i] /= size;
    }
  }

  // sum_i w_i max(a_i.x + b_i, 0), and its gradient (d,).
  double hidden_part(const double* x, std::vector<double>& gradient) const {
    const std::size_t d = planes_.d;
    double value = 0;
    std::fill(gradient.begin(), gradient.end(), 0.0);
    for (std::size_t i = 0; i < copy_.offsets.size(); ++i) {
      const double* a = &copy_.rows[i * d];
      const double z = dot_product(a, x, d) + copy_.offsets[i], w = copy_.output_weights[i];
      if (!kernels::relu_active(z)) continue;
      value += w * z;
      for (std::size_t j = 0; j < d; ++j) gradient[j] += w * a[j];
    }
    return value;
  }

  // Sets the output bias from the first fresh point and the certificate from the others.
  bool check(std::size_t line) {
    const std::size_t d = planes_.d, n = fresh_points;
    if (left() >= 0 && left() < static_cast<long long>(n)) {
      copy_.status = "the budget of " + std::to_string(max_queries_) + " queries is used up";
      return false;
    }
    std::vector<double> points(n * d), values(n), gradients(n * d), own(d);
    fill_uniform(kernels::substream(key_, 2 * line + 1), points);
    if (oracle_.single_precision())
      for (double& x : points) x = static_cast<double>(static_cast<float>(x));
    try {
      oracle_.query({points.data(), n, d}, {values.data(), n}, {gradients.data(), n, d});
    } catch (const OracleFailure& failure) {
      copy_.status = failure.what();
      return false;
    }
    copy_.queries += static_cast<long long>(n);
    double value_error = 0, value_size = 0, gradient_error = 0, gradient_size = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double value = hidden_part(&points[i * d], own);
      if (i == 0) copy_.output_bias = values[0] - value;
      const double* g = &gradients[i * d];
      value_error = std::max(value_error, std::abs(values[i] - value - copy_.output_bias));
      value_size = std::max(value_size, std::abs(values[i]));
      gradient_size = std::max(gradient_size, dot_product(g, g, d));
      for (std::size_t j = 0; j < d; ++j) own[j] -= g[j];
      gradient_error = std::max(gradient_error, dot_product(own.data(), own.data(), d));
    }
    const auto ratio = [](double error, double size) { return error == 0 ? 0 : error / size; };
    copy_.certificate =
        std::max(ratio(value_error, value_size), std::sqrt(ratio(gradient_error, gradient_size)));
    return true;
  }

  Oracle& oracle_;
  std::uint64_t key_;
  long long max_queries_;
  double tolerance_;          // of a clean certificate
  Hyperplanes all_, planes_;  // found, and those used
  std::vector<double> base_point_, base_gradient_;
  OneLayerCopy copy_;
};

}  // namespace

std::vector<OneLayerCopy> reconstruct_batch(const std::vector<Oracle*>& oracles, std::uint64_t seed,
                                            long long max_queries) {
  std::vector<OneLayerCopy> copies(oracles.size());
  const std::uint64_t key = kernels::mix64(seed);
  parallel_for(oracles.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      check_interrupt();
      copies[i] = Victim(*oracles[i], kernels::substream(key, i), max_queries).run();
    }
  });
  return copies;
}

}  // namespace divulge
