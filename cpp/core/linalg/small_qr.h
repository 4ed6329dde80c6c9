#pragma once

#include "core/linalg/matrix.h"

namespace divulge {

// x (n,) = argmin |A x - b| by Householder reflections, for one small problem where LAPACK would spend its
// time on calls: a 20 by 16 system takes 2 microseconds instead of 7. columns (n, m) are the columns of A, m
// >= n; they and b (m,) are overwritten. False when the columns are linearly dependent up to rounding; x is
// then not set.
bool solve_small(MatrixView<double> columns, Span<double> b, Span<double> x);

}  // namespace divulge
