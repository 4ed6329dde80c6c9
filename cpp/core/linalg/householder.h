#pragma once

#include <cstddef>

#include "core/linalg/matrix.h"
#include "kernels/householder.h"

// kernels/householder.h on the calling thread, compiled for several instruction sets: for problems that drop
// columns, which LAPACK can not, and for small ones, where LAPACK spends its time on calls. 20 by 16 takes
// 2.4 microseconds, 5.0 by QrFactor (blas.h).
namespace divulge {

using Staircase = kernels::Staircase<std::size_t>;

// See kernels::triangulate and kernels::substitute.
std::size_t triangulate(const Staircase& s, double tolerance);
void substitute(const Staircase& s);

// x (n,) = argmin |A x - b|. columns (n, m) are the columns of A, m >= n; they and b (m,) are overwritten.
// False when the columns are linearly dependent up to rounding; x is then not set.
bool solve_small(MatrixView<double> columns, Span<double> b, Span<double> x);

}  // namespace divulge
