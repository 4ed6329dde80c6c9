#include "core/match_rows.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "core/blas.h"
#include "core/buffer.h"
#include "core/row_groups.h"
#include "core/thread_pool.h"

namespace divulge {
namespace {

constexpr std::size_t block = 64;        // rows compared with all later ones in one go
constexpr double nothing_there = 1e-16;  // squared share of its length that a row must have on an overlap

// Row j is `factor` times row i on the `overlap` entries that both know.
struct Pair {
  std::size_t i, j;
  double overlap, factor;
};

// The rows with zeros where they are unknown, their squares, and the masks as numbers: all (n, h).
class Rows {
 public:
  Rows(MatrixView<const double> rows, MatrixView<const bool> masks)
      : n_(rows.rows),
        h_(rows.cols),
        values_(rows.size()),
        squares_(rows.size()),
        known_(rows.size()),
        lengths_(n_) {
    for (std::size_t k = 0; k < rows.size(); ++k) {
      values_[k] = masks.data[k] ? rows.data[k] : 0.0;
      squares_[k] = values_[k] * values_[k];
      known_[k] = masks.data[k] ? 1.0 : 0.0;
    }
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t k = 0; k < h_; ++k) lengths_[i] += squares_[i * h_ + k];
  }

  std::size_t count() const { return n_; }
  MatrixView<const double> values() const { return {values_.data(), n_, h_}; }
  MatrixView<const double> squares() const { return {squares_.data(), n_, h_}; }
  MatrixView<const double> known() const { return {known_.data(), n_, h_}; }
  double squared_length(std::size_t i) const { return lengths_[i]; }

 private:
  std::size_t n_, h_;
  std::vector<double> values_, squares_, known_, lengths_;
};

// What the entries that two rows share say about them.
struct Overlap {
  double dot, first, second;  // a.b, |a|^2 and |b|^2 there
  double entries;
};

// Rows begin ... end - 1 against rows begin ... n - 1.
class Block {
 public:
  Block(const Rows& rows, std::size_t begin, std::size_t end)
      : begin_(begin), end_(end), width_(rows.count() - begin), memory_(4 * (end - begin) * width_) {
    multiply(0, rows.values(), rows.values());
    multiply(1, rows.squares(), rows.known());
    multiply(2, rows.known(), rows.squares());
    multiply(3, rows.known(), rows.known());
  }

  Overlap overlap(std::size_t i, std::size_t j) const {
    const double* here = memory_.data() + (i - begin_) * width_ + (j - begin_);
    const std::size_t step = (end_ - begin_) * width_;
    return {here[0], here[step], here[2 * step], here[3 * step]};
  }

 private:
  void multiply(std::size_t k, MatrixView<const double> a, MatrixView<const double> b) {
    const std::size_t height = end_ - begin_;
    gemm<double>(Op::none, Op::transpose, 1, a.row_range(begin_, end_), b.row_range(begin_, begin_ + width_),
                 0, MatrixView<double>{memory_.data() + k * height * width_, height, width_});
  }

  std::size_t begin_, end_, width_;
  Buffer memory_;
};

enum class Verdict { silent, agree, contradict };

class Judge {
 public:
  Judge(double tolerance, std::size_t overlap)
      : overlap_(static_cast<double>(overlap)), tolerance_(tolerance), angle_(std::sqrt(2 * tolerance)) {}

  Verdict operator()(const Overlap& o, double first_length, double second_length, double first_offset,
                     double second_offset) const {
    if (o.entries < overlap_ || o.first <= nothing_there * first_length ||
        o.second <= nothing_there * second_length)
      return Verdict::silent;
    const double a = std::sqrt(o.first), b = std::sqrt(o.second);
    if (1 - std::abs(o.dot) / (a * b) > tolerance_) return Verdict::contradict;
    const double u = first_offset / a, w = (o.dot < 0 ? -second_offset : second_offset) / b;
    return std::abs(u - w) <= angle_ * (1 + std::max(std::abs(u), std::abs(w))) ? Verdict::agree
                                                                                : Verdict::contradict;
  }

 private:
  double overlap_, tolerance_, angle_;
};

void require(const char* what, std::size_t got, std::size_t expected) {
  if (got != expected)
    throw std::invalid_argument("matching rows: expected " + std::to_string(expected) + " " + what +
                                ", got " + std::to_string(got));
}

void check(MatrixView<const double> rows, MatrixView<const bool> masks, Span<const double> offsets,
           double tolerance, std::size_t overlap) {
  require("masks", masks.rows, rows.rows);
  require("columns of the masks", masks.cols, rows.cols);
  require("offsets", offsets.size, rows.rows);
  if (overlap < 1) throw std::invalid_argument("matching rows: expected an overlap of at least 1, got 0");
  if (!(tolerance > 0 && tolerance < 1))
    throw std::invalid_argument("matching rows: expected a tolerance between 0 and 1, got " +
                                std::to_string(tolerance));
  for (std::size_t k = 0; k < rows.size(); ++k)
    if (masks.data[k] && !std::isfinite(rows.data[k]))
      throw std::invalid_argument("matching rows: expected finite numbers, got " +
                                  std::to_string(rows.data[k]) + " in row " + std::to_string(k / rows.cols));
  for (std::size_t i = 0; i < offsets.size; ++i)
    if (!std::isfinite(offsets[i]))
      throw std::invalid_argument("matching rows: expected finite numbers, got the offset " +
                                  std::to_string(offsets[i]) + " of row " + std::to_string(i));
}

RowGroups labelled(const FactorGroups& groups, std::size_t n) {
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  RowGroups out{std::vector<std::int64_t>(n), std::vector<double>(n)};
  std::vector<std::size_t> first_of(n, none);
  std::vector<std::int64_t> label_of(n);
  std::int64_t groups_seen = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t root = groups.root(i);
    if (first_of[root] == none) {
      first_of[root] = i;
      label_of[root] = groups_seen++;
    }
    out.labels[i] = label_of[root];
    out.factors[i] = groups.factor_to_root(i) / groups.factor_to_root(first_of[root]);
  }
  return out;
}

}  // namespace

RowGroups match_rows(MatrixView<const double> given, MatrixView<const bool> masks, Span<const double> offsets,
                     double tolerance, std::size_t overlap) {
  check(given, masks, offsets, tolerance, overlap);
  const std::size_t n = given.rows;
  const Rows rows(given, masks);
  const Judge judge(tolerance, overlap);
  FactorGroups groups(n);
  std::vector<std::vector<Pair>> agreeing((n + block - 1) / block);
  parallel_for(n, block, [&](std::size_t begin, std::size_t end) {
    const Block products(rows, begin, end);
    for (std::size_t i = begin; i < end; ++i)
      for (std::size_t j = i + 1; j < n; ++j) {
        const Overlap o = products.overlap(i, j);
        const Verdict verdict =
            judge(o, rows.squared_length(i), rows.squared_length(j), offsets[i], offsets[j]);
        if (verdict == Verdict::contradict) groups.contradict(i, j);
        if (verdict == Verdict::agree) agreeing[begin / block].push_back({i, j, o.entries, o.dot / o.first});
      }
  });
  std::vector<Pair> pairs;
  for (const auto& part : agreeing) pairs.insert(pairs.end(), part.begin(), part.end());
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.overlap > b.overlap; });
  for (const Pair& pair : pairs) groups.join(pair.i, pair.j, pair.factor);
  return labelled(groups, n);
}

}  // namespace divulge
