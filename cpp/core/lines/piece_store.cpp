#include "core/lines/piece_store.h"

#include <algorithm>
#include <cmath>

#include "core/linalg/blas.h"
#include "core/parallel/simd.h"

namespace divulge {
namespace {

constexpr std::size_t lanes = 8;

// |a - c|^2, in lanes so that the loop can be vectorised.
DIVULGE_SIMD double squared_distance(const double* a, const double* c, std::size_t n) {
  double sums[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (std::size_t k = 0; k < lanes; ++k) sums[k] += (a[i + k] - c[i + k]) * (a[i + k] - c[i + k]);
  for (; i < n; ++i) sums[0] += (a[i] - c[i]) * (a[i] - c[i]);
  double sum = 0;
  for (const double s : sums) sum += s;
  return sum;
}

double norm(Span<const double> x) { return std::sqrt(dot<double>(x, x)); }

}  // namespace

std::size_t AnswerStore::add(Span<const double> gradient) {
  std::size_t piece = used_;
  if (free_.empty()) {
    if (used_++ % block_rows == 0) blocks_.emplace_back(block_rows * d_);
  } else {
    piece = free_.back();
    free_.pop_back();
  }
  std::copy(gradient.begin(), gradient.end(), row(piece));
  largest_ = std::max(largest_, norm(gradient));
  return piece;
}

bool AnswerStore::same_gradient(const LineSample& a, const LineSample& b) {
  const double limit = tolerance_ * largest_;
  return squared_distance(gradient(a.piece).data, gradient(b.piece).data, d_) <= limit * limit;
}

PatternStore::PatternStore(Line& line, std::size_t input_size, double tolerance)
    : line_(line), d_(input_size), size_(line.pattern_size()), tolerance_(tolerance) {
  rows_.reserve(64 * size_);
}

void PatternStore::evaluate(const std::vector<double>& t, std::vector<LineSample>& samples) {
  const std::size_t m = t.size(), first = size_ > 0 ? rows_.size() / size_ : 0;
  rows_.resize(rows_.size() + m * size_);
  values_.resize(m);
  slopes_.resize(m);
  line_.evaluate({t.data(), m}, {values_.data(), m}, {slopes_.data(), m},
                 {rows_.data() + first * size_, m, size_});
  samples.resize(m);
  for (std::size_t i = 0; i < m; ++i) samples[i] = {t[i], values_[i], slopes_[i], first + i};
}

bool PatternStore::same_gradient(const LineSample& a, const LineSample& b) {
  const auto of_a = pattern(a.piece), of_b = pattern(b.piece);
  if (std::equal(of_a.begin(), of_a.end(), of_b.begin())) return true;
  const double slope = std::max(std::abs(a.slope), std::abs(b.slope));
  if (std::abs(a.slope - b.slope) > std::max(1e-6, 100 * tolerance_) * slope) return false;
  std::vector<double> g(2 * d_);
  gradients({a.piece, b.piece}, {g.data(), 2, d_});
  largest_ = std::max({largest_, norm({g.data(), d_}), norm({g.data() + d_, d_})});
  return std::sqrt(squared_distance(g.data(), g.data() + d_, d_)) <= tolerance_ * largest_;
}

void PatternStore::release(std::size_t piece) {
  if ((piece + 1) * size_ == rows_.size()) rows_.resize(piece * size_);
}

void PatternStore::gradients(const std::vector<std::size_t>& pieces, MatrixView<double> out) const {
  std::vector<std::uint8_t> patterns;
  patterns.reserve(pieces.size() * size_);
  for (const std::size_t piece : pieces) {
    const Span<const std::uint8_t> row = pattern(piece);
    patterns.insert(patterns.end(), row.begin(), row.end());
  }
  line_.gradients({patterns.data(), pieces.size(), size_}, out);
}

}  // namespace divulge
