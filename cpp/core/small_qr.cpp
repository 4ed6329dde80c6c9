#include "core/small_qr.h"

#include <algorithm>
#include <cmath>

#include "core/simd.h"

namespace divulge {
namespace {

constexpr std::size_t lanes = 4;

[[gnu::always_inline]] inline double dot_here(const double* x, const double* y, std::size_t n) {
  double sums[lanes] = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (std::size_t k = 0; k < lanes; ++k) sums[k] += x[i + k] * y[i + k];
  for (; i < n; ++i) sums[0] += x[i] * y[i];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

// y -= 2 v (v.y) / |v|^2, with scale = 2 / |v|^2.
[[gnu::always_inline]] inline void reflect(const double* v, double scale, double* y, std::size_t n) {
  const double factor = scale * dot_here(v, y, n);
  for (std::size_t i = 0; i < n; ++i) y[i] -= factor * v[i];
}

// Turns A into R: columns[k][k + 1 ...] are left as rubbish, the diagonal is returned beside. b becomes Q' b.
DIVULGE_SIMD bool triangulate(double* columns, std::size_t n, std::size_t m, double* b, double* diagonal) {
  double largest = 0;
  for (std::size_t k = 0; k < n; ++k) {
    double* v = columns + k * m + k;
    const std::size_t length = m - k;
    const double size = std::sqrt(dot_here(v, v, length));
    diagonal[k] = v[0] > 0 ? -size : size;
    largest = std::max(largest, size);
    if (!(size > largest * 1e-13)) return false;
    v[0] -= diagonal[k];
    const double scale = 2 / dot_here(v, v, length);
    for (std::size_t j = k + 1; j < n; ++j) reflect(v, scale, columns + j * m + k, length);
    reflect(v, scale, b + k, length);
  }
  return true;
}

}  // namespace

bool solve_small(MatrixView<double> columns, Span<double> b, Span<double> x) {
  const std::size_t n = columns.rows, m = columns.cols;
  if (!triangulate(columns.data, n, m, b.data, x.data)) return false;
  for (std::size_t k = n; k-- > 0;) {  // x[k] holds R(k, k) until it is its turn
    double value = b[k];
    for (std::size_t j = k + 1; j < n; ++j) value -= columns(j, k) * x[j];
    x[k] = value / x[k];
  }
  return true;
}

}  // namespace divulge
