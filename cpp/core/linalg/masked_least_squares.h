#pragma once

#include <cstdint>

#include "core/linalg/matrix.h"

namespace divulge {

// Answers of masked_least_squares, one row or entry a problem.
struct MaskedSolutions {
  MatrixView<double> coefficients;  // (count, h), zero off the mask and for rows that were dropped
  Span<double> residuals;           // (count,) |r B - b| / |b|, 0 for b = 0
  Span<std::int64_t> ranks;         // (count,) rows that were used
};

// r_i (h,) = argmin |r_i B_i - b_i| over all r_i that are zero where mask i is, spread over the thread pool.
// basis holds one B (h, d) for all problems, or (count h, d) one B_i under the other; targets (count, d) the
// b_i, masks (count, h). Rows are taken in order; one that lies within `tolerance` of its own length from the
// span of the rows taken before it is dropped. Householder QR throughout: nothing is squared. Throws
// std::invalid_argument on shapes that do not fit, a tolerance outside [0, 1), or numbers that are not
// finite.
void masked_least_squares(MatrixView<const double> basis, MatrixView<const double> targets,
                          MatrixView<const bool> masks, double tolerance, MaskedSolutions out);

}  // namespace divulge
