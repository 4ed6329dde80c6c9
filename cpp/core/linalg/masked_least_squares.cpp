#include "core/linalg/masked_least_squares.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/linalg/blas.h"
#include "core/linalg/householder.h"
#include "core/parallel/simd.h"
#include "core/parallel/thread_pool.h"
#include "kernels/householder.h"

namespace divulge {
namespace {

constexpr std::size_t grain = 32;  // problems that share one call to rotate()
constexpr std::size_t lanes = 16;

constexpr std::size_t dropped = static_cast<std::size_t>(-1);

// One problem as min |A x - b|. Column j of A is row j of `columns` (n, m) and zero from entry heights[j] on;
// heights do not fall. triangulate() turns A into R in place; pivots[j] is the row of R that column j heads,
// or `dropped`.
struct Staircase {
  MatrixView<double> columns;
  Span<const std::size_t> heights;
  Span<std::size_t> pivots;
  double* b = nullptr;  // (m,)
};

// Reflects column j from row p on, of length `size`, onto its first entry, and later columns and b with it. A
// reflection reaches as far down as its own column, so that later ones stay within their heights.
[[gnu::always_inline]] inline void eliminate(const Staircase& s, std::size_t j, std::size_t p, double size) {
  const std::size_t length = s.heights[j] - p, n = s.columns.rows, m = s.columns.cols;
  double* v = s.columns.row(j).data + p;
  if (length == 1) return;
  const kernels::Reflector r = kernels::reflector(v[0], size);
  v[0] = r.v;
  std::size_t k = j + 1;
  for (; k + 4 <= n; k += 4) reflect_four(v, r.scale, s.columns.row(k).data + p, m, length);
  for (; k < n; ++k) reflect<lanes>(v, r.scale, s.columns.row(k).data + p, length);
  reflect<lanes>(v, r.scale, s.b + p, length);
  v[0] = r.head;
}

// Returns the rank.
DIVULGE_SIMD std::size_t triangulate(const Staircase& s, double tolerance) {
  std::size_t rank = 0;
  for (std::size_t j = 0; j < s.columns.rows; ++j) {
    const double* column = s.columns.row(j).data;
    const std::size_t height = s.heights[j], above = std::min(rank, height);
    const double left = dot_here<lanes>(column + above, column + above, height - above);
    const double whole = dot_here<lanes>(column, column, above) + left;
    const bool independent = kernels::off_the_span(left, whole, tolerance);
    s.pivots[j] = independent ? rank : dropped;
    if (independent) eliminate(s, j, rank++, std::sqrt(left));
  }
  return rank;
}

// x[j] for the columns that were kept, from the last to the first; b[0 ... rank) is used up.
DIVULGE_SIMD void substitute(const Staircase& s, double* x) {
  for (std::size_t j = s.columns.rows; j-- > 0;) {
    const std::size_t p = s.pivots[j];
    x[j] = 0;
    if (p == dropped) continue;
    const double* column = s.columns.row(j).data;
    x[j] = s.b[p] / column[p];
    for (std::size_t i = 0; i < p; ++i) s.b[i] -= x[j] * column[i];
  }
}

double sum_of_squares(const double* x, std::size_t n) { return dot<double>({x, n}, {x, n}); }

// The rows of a basis (h, d) as columns of length min(h, d): those of R where h <= d, else as they are.
class Reduced {
 public:
  explicit Reduced(MatrixView<const double> basis) : h_(basis.rows), d_(basis.cols), m_(std::min(h_, d_)) {
    columns_.resize(h_ * m_);
    if (h_ > d_) {
      std::copy(basis.data, basis.data + basis.size(), columns_.begin());
      return;
    }
    std::vector<double> transposed(basis.size());
    for (std::size_t i = 0; i < h_; ++i)
      for (std::size_t k = 0; k < d_; ++k) transposed[k * h_ + i] = basis(i, k);
    factor_.emplace(MatrixView<const double>{transposed.data(), d_, h_});
    factor_->copy_r({columns_.data(), h_, m_});
  }

  std::size_t length() const { return m_; }
  std::size_t height(std::size_t j) const { return factor_ ? j + 1 : m_; }
  const double* column(std::size_t j) const { return columns_.data() + j * m_; }

  // The targets (n, d) in the coordinates of the columns: min(h, d) of them, then what no column reaches.
  void rotate(MatrixView<double> targets) const {
    if (factor_) factor_->rotate(targets);
  }

 private:
  std::size_t h_, d_, m_;
  std::vector<double> columns_;  // (h, m)
  std::optional<QrFactor<double>> factor_;
};

// Solves problem i with the active rows of `reduced`, whose numbers are `active`; b (d,) is its rotated
// target.
class MaskedSolver {
 public:
  explicit MaskedSolver(double tolerance) : tolerance_(tolerance) {}

  void solve(const Reduced& reduced, const std::vector<std::size_t>& active, Span<double> b, std::size_t i,
             const MaskedSolutions& out) {
    const std::size_t n = active.size(), m = reduced.length();
    const double size = sum_of_squares(b.data, b.size);
    columns_.resize(n * m);
    heights_.resize(n);
    pivots_.resize(n);
    x_.resize(n);
    for (std::size_t j = 0; j < n; ++j) {
      heights_[j] = reduced.height(active[j]);
      std::copy_n(reduced.column(active[j]), heights_[j], columns_.data() + j * m);
    }
    const Staircase staircase{{columns_.data(), n, m}, {heights_.data(), n}, {pivots_.data(), n}, b.data};
    const std::size_t rank = triangulate(staircase, tolerance_);
    const double rest = sum_of_squares(b.data + rank, b.size - rank);
    substitute(staircase, x_.data());
    out.ranks[i] = static_cast<std::int64_t>(rank);
    out.residuals[i] = rest > 0 ? std::sqrt(rest / size) : 0;
  }

  const std::vector<double>& x() const { return x_; }  // (active rows,)

 private:
  double tolerance_;
  std::vector<double> columns_, x_;
  std::vector<std::size_t> heights_, pivots_;
};

std::vector<std::size_t> active_rows(Span<const bool> mask) {
  std::vector<std::size_t> active;
  for (std::size_t j = 0; j < mask.size; ++j)
    if (mask[j]) active.push_back(j);
  return active;
}

void scatter(const std::vector<double>& x, const std::vector<std::size_t>& active, Span<double> out) {
  std::fill(out.begin(), out.end(), 0.0);
  for (std::size_t j = 0; j < active.size(); ++j) out[active[j]] = x[j];
}

// Problems begin ... end - 1 with one basis: rotated together, then solved one by one.
void solve_shared(const Reduced& reduced, MatrixView<const double> targets, MatrixView<const bool> masks,
                  double tolerance, std::size_t begin, std::size_t end, const MaskedSolutions& out) {
  const MatrixView<const double> part = targets.row_range(begin, end);
  std::vector<double> copy(part.data, part.data + part.size());
  const MatrixView<double> rotated{copy.data(), part.rows, part.cols};
  reduced.rotate(rotated);
  MaskedSolver solver(tolerance);
  for (std::size_t i = begin; i < end; ++i) {
    const std::vector<std::size_t> active = active_rows(masks.row(i));
    solver.solve(reduced, active, rotated.row(i - begin), i, out);
    scatter(solver.x(), active, out.coefficients.row(i));
  }
}

// Problem i with a basis of its own, of which only the active rows are looked at.
void solve_own(MatrixView<const double> basis, Span<const double> target, Span<const bool> mask,
               double tolerance, std::size_t i, const MaskedSolutions& out) {
  const std::vector<std::size_t> active = active_rows(mask);
  std::vector<double> rows;
  for (const std::size_t j : active) rows.insert(rows.end(), basis.row(j).begin(), basis.row(j).end());
  const Reduced reduced({rows.data(), active.size(), basis.cols});
  std::vector<double> b(target.begin(), target.end()), all(active.size());
  reduced.rotate({b.data(), 1, b.size()});
  MaskedSolver solver(tolerance);
  std::vector<std::size_t> every(active.size());
  for (std::size_t j = 0; j < every.size(); ++j) every[j] = j;
  solver.solve(reduced, every, {b.data(), b.size()}, i, out);
  scatter(solver.x(), active, out.coefficients.row(i));
}

void require(const char* what, std::size_t got, std::size_t expected) {
  if (got != expected)
    throw std::invalid_argument("masked least squares: expected " + std::to_string(expected) + " " + what +
                                ", got " + std::to_string(got));
}

void require_finite(const char* what, MatrixView<const double> a) {
  const auto bad = std::find_if(a.data, a.data + a.size(), [](double x) { return !std::isfinite(x); });
  if (bad != a.data + a.size()) {
    const auto at = static_cast<std::size_t>(bad - a.data);
    throw std::invalid_argument(std::string("masked least squares: expected finite numbers, got ") +
                                std::to_string(*bad) + " in row " + std::to_string(at / a.cols) + " of the " +
                                what);
  }
}

}  // namespace

void masked_least_squares(MatrixView<const double> basis, MatrixView<const double> targets,
                          MatrixView<const bool> masks, double tolerance, MaskedSolutions out) {
  const std::size_t count = targets.rows, h = masks.cols;
  require("columns of the targets", targets.cols, basis.cols);
  require("masks", masks.rows, count);
  require("rows of coefficients", out.coefficients.rows, count);
  require("columns of coefficients", out.coefficients.cols, h);
  require("residuals", out.residuals.size, count);
  require("ranks", out.ranks.size, count);
  if (basis.rows != h) require("rows of bases", basis.rows, count * h);
  if (!(tolerance >= 0 && tolerance < 1))
    throw std::invalid_argument("masked least squares: expected a tolerance in [0, 1), got " +
                                std::to_string(tolerance));
  require_finite("basis", basis);
  require_finite("targets", targets);
  if (basis.rows == h) {
    const Reduced reduced(basis);
    return parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
      solve_shared(reduced, targets, masks, tolerance, begin, end, out);
    });
  }
  parallel_for(count, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      solve_own(basis.row_range(i * h, (i + 1) * h), targets.row(i), masks.row(i), tolerance, i, out);
  });
}

}  // namespace divulge
