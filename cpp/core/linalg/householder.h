#pragma once

#include <cstddef>

namespace divulge {

// x.y in `lanes` partial sums, for loops that are compiled several times over: see simd.h.
template <std::size_t lanes>
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

// y -= 2 v (v.y) / |v|^2, with scale = 2 / |v|^2.
template <std::size_t lanes>
[[gnu::always_inline]] inline void reflect(const double* v, double scale, double* y, std::size_t n) {
  const double factor = scale * dot_here<lanes>(v, y, n);
  for (std::size_t i = 0; i < n; ++i) y[i] -= factor * v[i];
}

// The same for four vectors y, y + stride, ... : v is loaded once for all of them.
[[gnu::always_inline]] inline void reflect_four(const double* __restrict v, double scale, double* y,
                                                std::size_t stride, std::size_t n) {
  constexpr std::size_t lanes = 8;
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

}  // namespace divulge
