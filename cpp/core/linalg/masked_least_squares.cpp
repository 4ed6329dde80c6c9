#include "core/linalg/masked_least_squares.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/linalg/blas.h"
#include "core/linalg/householder.h"
#include "core/parallel/thread_pool.h"

namespace divulge {
namespace {

constexpr std::size_t grain = 32;  // problems that share one call to rotate()

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
  bool triangular() const { return factor_.has_value(); }
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

  void solve(const Reduced& reduced, std::vector<std::size_t>& active, Span<double> b, std::size_t i,
             const MaskedSolutions& out) {
    const std::size_t n = active.size(), m = reduced.length();
    const double size = sum_of_squares(b.data, b.size);
    columns_.resize(n * m);
    pivots_.resize(n);
    x_.resize(n);
    const Staircase s{n,      m,         reduced.triangular(), columns_.data(),
                      b.data, x_.data(), active.data(),        pivots_.data()};
    for (std::size_t j = 0; j < n; ++j) std::copy_n(reduced.column(active[j]), s.height(j), s.column(j));
    const std::size_t rank = triangulate(s, tolerance_);
    const double rest = sum_of_squares(b.data + rank, b.size - rank);
    substitute(s);
    out.ranks[i] = static_cast<std::int64_t>(rank);
    out.residuals[i] = rest > 0 ? std::sqrt(rest / size) : 0;
  }

  const std::vector<double>& x() const { return x_; }  // (active rows,)

 private:
  double tolerance_;
  std::vector<double> columns_, x_;
  std::vector<std::size_t> pivots_;
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
    std::vector<std::size_t> active = active_rows(masks.row(i));
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
