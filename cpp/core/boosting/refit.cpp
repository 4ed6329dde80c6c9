#include "core/boosting/refit.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "core/boosting/exponential.h"
#include "core/parallel/simd.h"

namespace divulge {
namespace {

constexpr std::size_t lanes = 8;    // columns that are fitted side by side, one vector
constexpr double nothing = 1e-150;  // a leaf whose denominator is no larger adds 0, as in scikit-learn

// What one tree sums up. Margins, weights (n, lanes) and sums (leaves, lanes); targets are `outputs` apart.
struct Tree {
  std::size_t n, outputs;
  const std::int32_t* leaf;
  const double *margins, *weights, *targets;
  double curvature;
  double *first, *second;
};

DIVULGE_SIMD void add_squared(const Tree& t) {
  for (std::size_t i = 0; i < t.n; ++i) {
    const double y = t.targets[i * t.outputs], *z = t.margins + i * lanes, *w = t.weights + i * lanes;
    double *g = t.first + t.leaf[i] * lanes, *h = t.second + t.leaf[i] * lanes;
    for (std::size_t b = 0; b < lanes; ++b) {
      g[b] += w[b] * (z[b] - y);
      h[b] += w[b] * t.curvature;
    }
  }
}

DIVULGE_SIMD void add_logistic(const Tree& t) {
  for (std::size_t i = 0; i < t.n; ++i) {
    const double y = t.targets[i * t.outputs], *z = t.margins + i * lanes, *w = t.weights + i * lanes;
    double *g = t.first + t.leaf[i] * lanes, *h = t.second + t.leaf[i] * lanes;
    for (std::size_t b = 0; b < lanes; ++b) {
      const double p = 1 / (1 + exponential(-z[b]));
      g[b] += w[b] * (p - y);
      h[b] += w[b] * (t.curvature * (p - p * p));
    }
  }
}

DIVULGE_SIMD void add_exponential(const Tree& t) {
  for (std::size_t i = 0; i < t.n; ++i) {
    const double s = 2 * t.targets[i * t.outputs] - 1, *z = t.margins + i * lanes, *w = t.weights + i * lanes;
    double *g = t.first + t.leaf[i] * lanes, *h = t.second + t.leaf[i] * lanes;
    for (std::size_t b = 0; b < lanes; ++b) {
      const double size = w[b] * exponential(-s * z[b]);
      g[b] -= s * size;
      h[b] += t.curvature * size;
    }
  }
}

DIVULGE_SIMD void add_poisson(const Tree& t) {
  for (std::size_t i = 0; i < t.n; ++i) {
    const double y = t.targets[i * t.outputs], *z = t.margins + i * lanes, *w = t.weights + i * lanes;
    double *g = t.first + t.leaf[i] * lanes, *h = t.second + t.leaf[i] * lanes;
    for (std::size_t b = 0; b < lanes; ++b) {
      const double size = exponential(z[b]);
      g[b] += w[b] * (size - y);
      h[b] += w[b] * (t.curvature * size);
    }
  }
}

// Of margins that are probabilities already.
DIVULGE_SIMD void add_probabilities(const Tree& t) {
  for (std::size_t i = 0; i < t.n; ++i) {
    const double y = t.targets[i * t.outputs], *p = t.margins + i * lanes, *w = t.weights + i * lanes;
    double *g = t.first + t.leaf[i] * lanes, *h = t.second + t.leaf[i] * lanes;
    for (std::size_t b = 0; b < lanes; ++b) {
      g[b] += w[b] * (p[b] - y);
      h[b] += w[b] * (t.curvature * (p[b] - p[b] * p[b]));
    }
  }
}

// Margins and probabilities (K, m), m = n lanes; work (m,).
DIVULGE_SIMD void softmax(const double* margins, std::size_t outputs, std::size_t m, double* probabilities,
                          double* work) {
  std::copy(margins, margins + m, work);
  for (std::size_t k = 1; k < outputs; ++k)
    for (std::size_t i = 0; i < m; ++i) work[i] = std::max(work[i], margins[k * m + i]);
  for (std::size_t k = 0; k < outputs; ++k)
    for (std::size_t i = 0; i < m; ++i) probabilities[k * m + i] = exponential(margins[k * m + i] - work[i]);
  std::fill(work, work + m, 0.0);
  for (std::size_t k = 0; k < outputs; ++k)
    for (std::size_t i = 0; i < m; ++i) work[i] += probabilities[k * m + i];
  for (std::size_t k = 0; k < outputs; ++k)
    for (std::size_t i = 0; i < m; ++i) probabilities[k * m + i] /= work[i];
}

void add(BoostingLoss loss, const Tree& tree) {
  switch (loss) {
    case BoostingLoss::squared:
      return add_squared(tree);
    case BoostingLoss::logistic:
      return add_logistic(tree);
    case BoostingLoss::softmax:
      return add_probabilities(tree);
    case BoostingLoss::exponential:
      return add_exponential(tree);
    case BoostingLoss::poisson:
      return add_poisson(tree);
  }
}

// In place of G: what each leaf adds.
DIVULGE_SIMD void leaf_values(double* first, const double* second, std::size_t m, double rate, double l2) {
  for (std::size_t i = 0; i < m; ++i) {
    const double below = second[i] + l2;
    first[i] = below > nothing ? -rate * first[i] / below : 0.0;
  }
}

DIVULGE_SIMD void move(const std::int32_t* leaf, const double* values, std::size_t n, double* margins) {
  for (std::size_t i = 0; i < n; ++i) {
    const double* v = values + leaf[i] * lanes;
    for (std::size_t b = 0; b < lanes; ++b) margins[i * lanes + b] += v[b];
  }
}

// Boosting of `lanes` columns from `begin` on; columns past the last are fitted and forgotten.
class Columns {
 public:
  Columns(const FixedBoosting& boosting, std::size_t begin)
      : boosting_(boosting),
        n_(boosting.targets.rows),
        outputs_(boosting.targets.cols),
        begin_(begin),
        weights_(n_ * lanes),
        margins_(outputs_ * n_ * lanes) {
    if (boosting.loss == BoostingLoss::softmax) {
      probabilities_.resize(margins_.size());
      work_.resize(n_ * lanes);
    }
    for (std::size_t i = 0; i < n_; ++i) std::fill_n(weights_.data() + i * lanes, lanes, boosting.weights[i]);
  }

  void leave_out(Span<const std::int64_t> rows, Span<const std::int64_t> columns) {
    for (std::size_t j = 0; j < rows.size; ++j) {
      const auto column = static_cast<std::size_t>(columns[j]);
      if (column >= begin_ && column < begin_ + lanes)
        weights_[static_cast<std::size_t>(rows[j]) * lanes + column - begin_] = 0;
    }
  }

  void run(MatrixView<const double> start, MatrixView<double> values) {
    const std::size_t used = std::min(lanes, start.cols - begin_), m = n_ * lanes;
    for (std::size_t k = 0; k < outputs_; ++k)
      for (std::size_t i = 0; i < m; ++i)
        margins_[k * m + i] = start(k, begin_ + std::min(i % lanes, used - 1));
    for (std::size_t t = 0; t < boosting_.rounds; ++t) {
      if (!probabilities_.empty()) softmax(margins_.data(), outputs_, m, probabilities_.data(), work_.data());
      for (std::size_t k = 0; k < outputs_; ++k) fit(t, k, used, values);
    }
  }

 private:
  // One tree: its sums, its values, and the margins after it. Other trees of the round read other margins.
  void fit(std::size_t round, std::size_t k, std::size_t used, MatrixView<double> values) {
    const std::size_t tree = round * outputs_ + k, m = n_ * lanes;
    const auto first_leaf = static_cast<std::size_t>(boosting_.first[tree]);
    const std::size_t leaves = static_cast<std::size_t>(boosting_.first[tree + 1]) - first_leaf;
    const std::int32_t* leaf = boosting_.leaves.row(tree).data;
    first_.assign(leaves * lanes, 0.0);
    second_.assign(leaves * lanes, 0.0);
    const double* read = probabilities_.empty() ? margins_.data() : probabilities_.data();
    add(boosting_.loss, {n_, outputs_, leaf, read + k * m, weights_.data(), boosting_.targets.data + k,
                         boosting_.curvature, first_.data(), second_.data()});
    leaf_values(first_.data(), second_.data(), leaves * lanes, boosting_.rate, boosting_.l2);
    move(leaf, first_.data(), n_, margins_.data() + k * m);
    for (std::size_t l = 0; l < leaves; ++l)
      std::copy_n(first_.data() + l * lanes, used, values.row(first_leaf + l).data + begin_);
  }

  const FixedBoosting& boosting_;
  std::size_t n_, outputs_, begin_;
  std::vector<double> weights_;               // (n, lanes)
  std::vector<double> margins_;               // (K, n, lanes)
  std::vector<double> probabilities_, work_;  // of softmax
  std::vector<double> first_, second_;        // (leaves of a tree, lanes)
};

[[noreturn]] void fail(const std::string& what) { throw std::invalid_argument("boosting again: " + what); }

void require(bool holds, const std::string& what) {
  if (!holds) fail(what);
}

void check_trees(const FixedBoosting& f) {
  const std::size_t n = f.targets.rows, trees = f.rounds * f.targets.cols;
  require(f.leaves.rows == trees && f.leaves.cols == n,
          "expected leaves of shape (" + std::to_string(trees) + ", " + std::to_string(n) + "), got (" +
              std::to_string(f.leaves.rows) + ", " + std::to_string(f.leaves.cols) + ")");
  require(f.first.size == trees + 1 && f.first[0] == 0,
          "expected " + std::to_string(trees + 1) + " places where leaves begin, from 0 on");
  require(f.weights.size == n,
          "expected " + std::to_string(n) + " weights, got " + std::to_string(f.weights.size));
  for (std::size_t t = 0; t < trees; ++t) {
    const std::int64_t count = f.first[t + 1] - f.first[t];
    require(count >= 0, "tree " + std::to_string(t) + " has " + std::to_string(count) + " leaves");
    const Span<const std::int32_t> leaves = f.leaves.row(t);
    const auto wrong = std::find_if(leaves.begin(), leaves.end(),
                                    [count](std::int32_t leaf) { return leaf < 0 || leaf >= count; });
    if (wrong != leaves.end())
      fail("leaf " + std::to_string(*wrong) + " of tree " + std::to_string(t) + ", which has " +
           std::to_string(count));
  }
}

void check_left_out(Span<const std::int64_t> rows, Span<const std::int64_t> columns, std::size_t n,
                    std::size_t b) {
  require(rows.size == columns.size, "expected as many columns as rows that are left out");
  for (std::size_t j = 0; j < rows.size; ++j) {
    if (rows[j] < 0 || static_cast<std::size_t>(rows[j]) >= n) fail("no sample " + std::to_string(rows[j]));
    if (columns[j] < 0 || static_cast<std::size_t>(columns[j]) >= b)
      fail("no column " + std::to_string(columns[j]));
  }
}

}  // namespace

BoostingLoss boosting_loss(const std::string& name) {
  if (name == "squared") return BoostingLoss::squared;
  if (name == "logistic") return BoostingLoss::logistic;
  if (name == "softmax") return BoostingLoss::softmax;
  if (name == "exponential") return BoostingLoss::exponential;
  if (name == "poisson") return BoostingLoss::poisson;
  throw std::invalid_argument("expected a loss squared, logistic, softmax, exponential or poisson, got " +
                              name);
}

void refit_boosting(const FixedBoosting& boosting, MatrixView<const double> start,
                    Span<const std::int64_t> rows, Span<const std::int64_t> columns,
                    MatrixView<double> values) {
  check_trees(boosting);
  check_left_out(rows, columns, boosting.targets.rows, start.cols);
  require(start.rows == boosting.targets.cols, "expected a start for each output");
  const auto leaves = static_cast<std::size_t>(boosting.first[boosting.first.size - 1]);
  require(values.rows == leaves && values.cols == start.cols, "expected room for the value of each leaf");
  for (std::size_t begin = 0; begin < start.cols; begin += lanes) {
    Columns part(boosting, begin);
    part.leave_out(rows, columns);
    part.run(start, values);
  }
}

}  // namespace divulge
