#pragma once

#include <cstddef>
#include <vector>

#include "core/linalg/matrix.h"

namespace divulge {

// Solves `count` dense least-squares problems by QR, spread over the thread pool:
//   x_i (n, k) = argmin |a_i x - b_i|_F,  a_i (m, n), b_i (m, k), m >= n.
// a (count m, n), b (count m, k) and x (count n, k) hold the problems one under the other. residuals (count,)
// become |a_i x_i - b_i|_F / |b_i|_F (0 for b_i = 0), conditions (count,) an estimate of 1 / cond_1 of R_i.
// A problem with linearly dependent columns gets NaN for its x and residual and condition 0.
// Throws std::invalid_argument on shapes that do not fit or m < n.
void least_squares(std::size_t count, MatrixView<const double> a, MatrixView<const double> b,
                   MatrixView<double> x, Span<double> residuals, Span<double> conditions);

// Which units of one hidden layer are active where the gradient is `gradient` (d,), from jumps D (h, d)
// across their hyperplanes towards the side the point is not on:  -gradient = sum_i beta_i D_i, with beta_i =
// 1 for a unit that is switched off by its jump (active here) and 0 for one that is switched on.
struct SignPattern {
  std::vector<double> beta;  // (h,)
  double residual = 0;       // |sum_i beta_i D_i + gradient| / |gradient|
  double condition = 0;      // estimate of 1 / cond_1 of D
  bool binary = false;       // every beta within the tolerance of 0 or 1, and the residual within it too
};

// By least squares over the jumps, h <= d. With linearly dependent jumps beta is NaN.
// Throws std::invalid_argument when h > d or the sizes do not fit.
SignPattern sign_pattern(MatrixView<const double> jumps, Span<const double> gradient, double tolerance);

}  // namespace divulge
