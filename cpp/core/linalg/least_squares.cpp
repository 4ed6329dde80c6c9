#include "core/linalg/least_squares.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/linalg/blas.h"
#include "core/parallel/thread_pool.h"

namespace divulge {
namespace {

double norm(const double* x, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return std::sqrt(sum);
}

// |a x - b| / |b|
double relative_residual(MatrixView<const double> a, MatrixView<const double> x, MatrixView<const double> b) {
  std::vector<double> rest(b.data, b.data + b.size());
  gemm<double>(Op::none, Op::none, 1, a, x, -1, MatrixView<double>{rest.data(), b.rows, b.cols});
  const double size = norm(b.data, b.size()), error = norm(rest.data(), rest.size());
  return error == 0 ? 0 : error / size;
}

void solve(MatrixView<const double> a, MatrixView<const double> b, MatrixView<double> x, double& residual,
           double& condition) {
  const QrFactor<double> factor(a);
  condition = factor.reciprocal_condition();
  if (condition < std::numeric_limits<double>::epsilon()) {
    std::fill(x.data, x.data + x.size(), std::numeric_limits<double>::quiet_NaN());
    residual = std::numeric_limits<double>::quiet_NaN();
    condition = 0;
    return;
  }
  factor.solve(b, x);
  residual = relative_residual(a, x, b);
}

void check(const char* what, std::size_t got, std::size_t expected) {
  if (got != expected)
    throw std::invalid_argument("least squares: expected " + std::to_string(expected) + " " + what +
                                ", got " + std::to_string(got));
}

}  // namespace

void least_squares(std::size_t count, MatrixView<const double> a, MatrixView<const double> b,
                   MatrixView<double> x, Span<double> residuals, Span<double> conditions) {
  const std::size_t m = count > 0 ? a.rows / count : 0, n = a.cols;
  check("rows of a", a.rows, count * m);
  check("rows of b", b.rows, a.rows);
  check("rows of x", x.rows, count * n);
  check("columns of x", x.cols, b.cols);
  check("residuals", residuals.size, count);
  check("conditions", conditions.size, count);
  if (count > 0 && m < n)
    throw std::invalid_argument("least squares: expected at least as many rows as columns, got " +
                                std::to_string(m) + " by " + std::to_string(n));
  parallel_for(count, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      solve(a.row_range(i * m, (i + 1) * m), b.row_range(i * m, (i + 1) * m), x.row_range(i * n, (i + 1) * n),
            residuals[i], conditions[i]);
  });
}

SignPattern sign_pattern(MatrixView<const double> jumps, Span<const double> gradient, double tolerance) {
  const std::size_t h = jumps.rows, d = jumps.cols;
  check("gradient entries", gradient.size, d);
  if (h > d)
    throw std::invalid_argument("sign pattern: expected at most as many jumps as inputs (" +
                                std::to_string(d) + "), got " + std::to_string(h));
  std::vector<double> columns(d * h), rhs(d);
  for (std::size_t i = 0; i < h; ++i)
    for (std::size_t j = 0; j < d; ++j) columns[j * h + i] = jumps(i, j);
  for (std::size_t j = 0; j < d; ++j) rhs[j] = -gradient[j];
  SignPattern pattern;
  pattern.beta.resize(h);
  solve({columns.data(), d, h}, {rhs.data(), d, 1}, {pattern.beta.data(), h, 1}, pattern.residual,
        pattern.condition);
  pattern.binary = pattern.residual <= tolerance &&
                   std::all_of(pattern.beta.begin(), pattern.beta.end(), [&](double beta) {
                     return std::min(std::abs(beta), std::abs(beta - 1)) <= tolerance;
                   });
  return pattern;
}

}  // namespace divulge
