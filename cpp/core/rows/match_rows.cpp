#include "core/rows/match_rows.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <tuple>

#include "core/parallel/simd.h"
#include "core/parallel/thread_pool.h"
#include "core/rows/row_groups.h"

namespace divulge {
namespace {

constexpr std::size_t block = 64;        // rows compared with all later ones in one go
constexpr std::size_t bits = 64;         // of a word
constexpr double nothing_there = 1e-16;  // squared share of its length that a row must have on an overlap

// Row j is `factor` times row i on the `overlap` entries that both know.
struct Pair {
  std::size_t i, j, overlap;
  double factor;
};

// What the entries that two rows share say about them.
struct Overlap {
  std::size_t entries = 0;
  double dot = 0, first = 0, second = 0;  // a.b, |a|^2 and |b|^2 there
  bool apart = false;                     // the rest was not looked at: two entries show that a and b differ
};

// counts[i] = common bits of `one` and the i-th of `many`, `words` each.
DIVULGE_SIMD void count_bits(const std::uint64_t* one, const std::uint64_t* many, std::size_t n,
                             std::size_t words, std::uint32_t* counts) {
  for (std::size_t i = 0; i < n; ++i) {
    int count = 0;
    for (std::size_t w = 0; w < words; ++w) count += __builtin_popcountll(one[w] & many[i * words + w]);
    counts[i] = static_cast<std::uint32_t>(count);
  }
}

// The rows with their masks as bits.
class Rows {
 public:
  Rows(MatrixView<const double> rows, MatrixView<const bool> masks)
      : rows_(rows), words_((rows.cols + bits - 1) / bits), known_(rows.rows * words_), lengths_(rows.rows) {
    for (std::size_t i = 0; i < rows.rows; ++i)
      for (std::size_t k = 0; k < rows.cols; ++k) {
        if (!masks(i, k)) continue;
        known_[i * words_ + k / bits] |= std::uint64_t{1} << k % bits;
        lengths_[i] += rows(i, k) * rows(i, k);
      }
  }

  double squared_length(std::size_t i) const { return lengths_[i]; }

  // counts[i - begin] = entries that rows i and j both know, begin <= i < end.
  void count_common(std::size_t begin, std::size_t end, std::size_t j, std::uint32_t* counts) const {
    count_bits(known_.data() + j * words_, known_.data() + begin * words_, end - begin, words_, counts);
  }

  // Two rows a and b with an angle phi between them have |a_k b_l - a_l b_k| <= |a| |b| sin phi for all
  // entries k, l. Most rows are told apart by their first two.
  Overlap overlap(std::size_t i, std::size_t j, double sine) const {
    const double limit = sine * std::sqrt(lengths_[i] * lengths_[j]);
    const double *a = rows_.row(i).data, *b = rows_.row(j).data;
    Overlap out;
    double a_before = 0, b_before = 0;
    for (std::size_t w = 0; w < words_; ++w)
      for (std::uint64_t rest = common(i, j, w); rest != 0; rest &= rest - 1) {
        const std::size_t k = w * bits + static_cast<std::size_t>(__builtin_ctzll(rest));
        out.apart = std::abs(a_before * b[k] - a[k] * b_before) > limit;
        if (out.apart) return out;
        a_before = a[k];
        b_before = b[k];
        out.dot += a[k] * b[k];
        out.first += a[k] * a[k];
        out.second += b[k] * b[k];
        ++out.entries;
      }
    return out;
  }

 private:
  std::uint64_t common(std::size_t i, std::size_t j, std::size_t word) const {
    return known_[i * words_ + word] & known_[j * words_ + word];
  }

  MatrixView<const double> rows_;
  std::size_t words_;
  std::vector<std::uint64_t> known_;  // (n, words)
  std::vector<double> lengths_;       // (n,), squared
};

enum class Verdict { silent, agree, contradict };

class Judge {
 public:
  Judge(const Rows& rows, Span<const double> offsets, double tolerance)
      : rows_(rows), offsets_(offsets), tolerance_(tolerance), angle_(std::sqrt(2 * tolerance)) {}

  // Of two rows that share enough entries; with `agree` the pair is set.
  Verdict operator()(std::size_t i, std::size_t j, Pair& pair) const {
    const Overlap o = rows_.overlap(i, j, std::max(angle_, 2 * std::sqrt(nothing_there)));
    if (o.apart) return Verdict::contradict;
    if (o.first <= nothing_there * rows_.squared_length(i) ||
        o.second <= nothing_there * rows_.squared_length(j))
      return Verdict::silent;
    const double a = std::sqrt(o.first), b = std::sqrt(o.second);
    if (1 - std::abs(o.dot) / (a * b) > tolerance_) return Verdict::contradict;
    const double u = offsets_[i] / a, w = (o.dot < 0 ? -offsets_[j] : offsets_[j]) / b;
    if (std::abs(u - w) > angle_ * (1 + std::max(std::abs(u), std::abs(w)))) return Verdict::contradict;
    pair = {i, j, o.entries, o.dot / o.first};
    return Verdict::agree;
  }

 private:
  const Rows& rows_;
  Span<const double> offsets_;
  double tolerance_, angle_;
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

// Joins agreeing pairs, those that share most entries first.
void join_all(const std::vector<std::vector<Pair>>& agreeing, FactorGroups& groups) {
  std::vector<Pair> pairs;
  for (const auto& part : agreeing) pairs.insert(pairs.end(), part.begin(), part.end());
  std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    return std::tie(b.overlap, a.i, a.j) < std::tie(a.overlap, b.i, b.j);
  });
  for (const Pair& pair : pairs) groups.join(pair.i, pair.j, pair.factor);
}

}  // namespace

RowGroups match_rows(MatrixView<const double> given, MatrixView<const bool> masks, Span<const double> offsets,
                     double tolerance, std::size_t overlap) {
  check(given, masks, offsets, tolerance, overlap);
  const std::size_t n = given.rows;
  const Rows rows(given, masks);
  const Judge judge(rows, offsets, tolerance);
  FactorGroups groups(n);
  std::vector<std::vector<Pair>> agreeing((n + block - 1) / block);
  parallel_for(n, block, [&](std::size_t begin, std::size_t end) {
    Pair pair{};
    std::uint32_t counts[block];
    for (std::size_t j = begin + 1; j < n; ++j) {
      const std::size_t last = std::min(j, end);
      rows.count_common(begin, last, j, counts);
      for (std::size_t i = begin; i < last; ++i) {
        if (counts[i - begin] < overlap) continue;
        const Verdict verdict = judge(i, j, pair);
        if (verdict == Verdict::contradict) groups.contradict(i, j);
        if (verdict == Verdict::agree) agreeing[begin / block].push_back(pair);
      }
    }
  });
  join_all(agreeing, groups);
  return labelled(groups, n);
}

}  // namespace divulge
