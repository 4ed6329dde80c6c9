#include "core/linalg/householder.h"

#include <vector>

#include "core/parallel/simd.h"

namespace divulge {
namespace {

constexpr double rounding = 1e-13;
constexpr std::size_t lanes = 8;

// x.y in `lanes` partial sums.
[[gnu::always_inline]] inline double dot_here(const double* x, const double* y, std::size_t n) {
  double sums[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (std::size_t k = 0; k < lanes; ++k) sums[k] += x[i + k] * y[i + k];
  for (; i < n; ++i) sums[0] += x[i] * y[i];
  for (std::size_t width = lanes / 2; width > 0; width /= 2)
    for (std::size_t k = 0; k < width; ++k) sums[k] += sums[k + width];
  return sums[0];
}

[[gnu::always_inline]] inline void reflect_one(const double* v, double scale, double* y, std::size_t n) {
  const double factor = scale * dot_here(v, y, n);
  for (std::size_t i = 0; i < n; ++i) y[i] -= factor * v[i];
}

// The same for four vectors y, y + stride, ... : v is loaded once for all of them.
[[gnu::always_inline]] inline void reflect_four(const double* __restrict v, double scale, double* y,
                                                std::size_t stride, std::size_t n) {
  double* __restrict y0 = y, * __restrict y1 = y + stride;
  double* __restrict y2 = y + 2 * stride, * __restrict y3 = y + 3 * stride;
  double s0[lanes] = {}, s1[lanes] = {}, s2[lanes] = {}, s3[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (std::size_t k = 0; k < lanes; ++k) {
      s0[k] += v[i + k] * y0[i + k];
      s1[k] += v[i + k] * y1[i + k];
      s2[k] += v[i + k] * y2[i + k];
      s3[k] += v[i + k] * y3[i + k];
    }
  for (; i < n; ++i) {
    s0[0] += v[i] * y0[i];
    s1[0] += v[i] * y1[i];
    s2[0] += v[i] * y2[i];
    s3[0] += v[i] * y3[i];
  }
  for (std::size_t width = lanes / 2; width > 0; width /= 2)
    for (std::size_t k = 0; k < width; ++k) {
      s0[k] += s0[k + width];
      s1[k] += s1[k + width];
      s2[k] += s2[k + width];
      s3[k] += s3[k + width];
    }
  const double f0 = scale * s0[0], f1 = scale * s1[0], f2 = scale * s2[0], f3 = scale * s3[0];
  for (i = 0; i < n; ++i) {
    y0[i] -= f0 * v[i];
    y1[i] -= f1 * v[i];
    y2[i] -= f2 * v[i];
    y3[i] -= f3 * v[i];
  }
}

// The team of one thread; see kernels/householder.h.
struct OneThread {
  [[gnu::always_inline]] static std::size_t thread() { return 0; }
  [[gnu::always_inline]] static std::size_t threads() { return 1; }
  [[gnu::always_inline]] static void barrier() {}
  [[gnu::always_inline]] static double length_squared(const double* x, std::size_t n) {
    return dot_here(x, x, n);
  }
  [[gnu::always_inline]] static const double* hold(double* column, double v, std::size_t) {
    column[0] = v;
    return column;
  }
  [[gnu::always_inline]] static void reflect(const double* v, double scale, const Staircase& s,
                                             std::size_t first, std::size_t pivot, std::size_t n) {
    std::size_t k = first;
    for (; k + 4 <= s.n; k += 4) reflect_four(v, scale, s.column(k) + pivot, s.m, n);
    for (; k < s.n; ++k) reflect_one(v, scale, s.column(k) + pivot, n);
    reflect_one(v, scale, s.b + pivot, n);
  }
};

}  // namespace

DIVULGE_SIMD std::size_t triangulate(const Staircase& s, double tolerance) {
  OneThread team;
  return kernels::triangulate(team, s, tolerance);
}

DIVULGE_SIMD void substitute(const Staircase& s) {
  OneThread team;
  kernels::substitute(team, s);
}

bool solve_small(MatrixView<double> columns, Span<double> b, Span<double> x) {
  std::vector<std::size_t> pivots(columns.rows);
  const Staircase s{columns.rows, columns.cols, false, columns.data, b.data, x.data, nullptr, pivots.data()};
  if (triangulate(s, rounding) < s.n) return false;
  substitute(s);
  return true;
}

}  // namespace divulge
