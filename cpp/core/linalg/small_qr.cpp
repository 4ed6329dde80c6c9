#include "core/linalg/small_qr.h"

#include <algorithm>
#include <cmath>

#include "core/linalg/householder.h"
#include "core/parallel/simd.h"

namespace divulge {
namespace {

constexpr std::size_t lanes = 4;

// Turns A into R: columns[k][k + 1 ...] are left as rubbish, the diagonal is returned beside. b becomes Q' b.
DIVULGE_SIMD bool triangulate(double* columns, std::size_t n, std::size_t m, double* b, double* diagonal) {
  double largest = 0;
  for (std::size_t k = 0; k < n; ++k) {
    double* v = columns + k * m + k;
    const std::size_t length = m - k;
    const double size = std::sqrt(dot_here<lanes>(v, v, length));
    diagonal[k] = v[0] > 0 ? -size : size;
    largest = std::max(largest, size);
    if (!(size > largest * 1e-13)) return false;
    v[0] -= diagonal[k];
    const double scale = 2 / dot_here<lanes>(v, v, length);
    for (std::size_t j = k + 1; j < n; ++j) reflect<lanes>(v, scale, columns + j * m + k, length);
    reflect<lanes>(v, scale, b + k, length);
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
