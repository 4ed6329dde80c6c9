#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/linalg/matrix.h"

namespace divulge {

// Which partial rows belong to one unit.
struct RowGroups {
  std::vector<std::int64_t> labels;  // (n,) 0, 1, ... in the order of first appearance
  std::vector<double> factors;       // (n,) row i is factors[i] times the first row of its group
};

// Groups partial rows (n, h), each known where its mask (n, h) is true and up to a factor, with an offset
// (n,) that takes the same factor. On the o entries that rows a and b both know, with lengths |a| and |b|
// there, they agree when 1 - |a.b| / (|a| |b|) <= tolerance and |offset_a / |a| -+ offset_b / |b|| <= sqrt(2
// tolerance) (1 + the larger of the two); otherwise they contradict. A pair says nothing when o < overlap, or
// when one row is zero on the overlap up to 1e-8 of its length. Agreeing pairs are joined from the largest o
// down, ties in order of the rows, unless a row of one group contradicts a row of the other. Throws
// std::invalid_argument on shapes that do not fit, known numbers that are not finite, overlap < 1, or a
// tolerance outside (0, 1).
RowGroups match_rows(MatrixView<const double> rows, MatrixView<const bool> masks, Span<const double> offsets,
                     double tolerance, std::size_t overlap);

}  // namespace divulge
