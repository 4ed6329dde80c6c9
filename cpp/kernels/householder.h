#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/hd.h"

// Least squares by Householder reflections, column by column, for whoever works on one problem: a thread of
// the host or a block of threads of a device. Such a team offers
//   thread(), threads(), barrier()   as a block does (kernels/block.h)
//   length_squared(x, n)             the same for all threads
//   hold(column, v, n)               the column (n,) with `v` as its first entry, for all threads to read
//   reflect(v, scale, s, first, pivot, n)
//                                    y -= scale v (v.y) for the n entries from `pivot` on of the columns of s
//                                    from `first` on, and of its b
namespace divulge::kernels {

// Whether a column of squared length `whole`, of which `left` lies off the span of those before it, counts.
DIVULGE_HD inline bool off_the_span(double left, double whole, double tolerance) {
  return left > tolerance * tolerance * whole;
}

// The reflection of a column with first entry x and length `size` onto its first entry: v is the column with
// first entry `v`, y -= scale v (v.y) reflects y, and the column becomes (head, 0, ...).
struct Reflector {
  double head, v, scale;
};

DIVULGE_HD inline Reflector reflector(double x, double size) {
  const double head = x > 0 ? -size : size;
  return {head, x - head, 1 / (size * std::abs(x - head))};
}

// min |A x - b|. Column j of A is row j of `columns`; where `triangular`, it is zero from entry active[j] + 1
// on, and `active` rises.
template <class Index>
struct Staircase {
  static constexpr Index dropped = static_cast<Index>(-1);

  Index n = 0, m = 0;
  bool triangular = false;
  double *columns = nullptr, *b = nullptr, *x = nullptr;  // (n, m), (m,), (n,)
  Index *active = nullptr, *pivots = nullptr;             // (n,)

  DIVULGE_INLINED double* column(Index j) const { return columns + std::size_t{j} * m; }
  DIVULGE_INLINED Index height(Index j) const { return triangular ? active[j] + 1 : m; }
};

// Reflects column j from row `pivot` on, of length `size`, onto its first entry, and later columns and b with
// it. A reflection reaches as far down as its own column, so that later ones stay within their heights.
template <class Team, class Index>
DIVULGE_INLINED void eliminate(Team& team, const Staircase<Index>& s, Index j, Index pivot, double size) {
  double* column = s.column(j) + pivot;
  const Index length = s.height(j) - pivot;
  if (length == 1) return;
  const Reflector r = reflector(column[0], size);
  const double* v = team.hold(column, r.v, length);
  team.reflect(v, r.scale, s, j + 1, pivot, length);
  if (team.thread() == 0) column[0] = r.head;
  team.barrier();
}

// Columns become R, b is reflected along; returns the rank. pivots[j] becomes the row of R that column j
// heads, or `dropped` where it lies within `tolerance` of its own length from the span of those before it.
template <class Team, class Index>
DIVULGE_INLINED Index triangulate(Team& team, const Staircase<Index>& s, double tolerance) {
  Index rank = 0;
  for (Index j = 0; j < s.n; ++j) {
    const double* column = s.column(j);
    const Index height = s.height(j), above = rank < height ? rank : height;
    const double left = team.length_squared(column + above, height - above);
    const double whole = team.length_squared(column, above) + left;
    const bool independent = off_the_span(left, whole, tolerance);
    if (team.thread() == 0) s.pivots[j] = independent ? rank : s.dropped;
    if (independent) eliminate(team, s, j, rank++, std::sqrt(left));
  }
  team.barrier();
  return rank;
}

// x from R x = b, zero for columns that were dropped, from the last column to the first; uses b up.
template <class Team, class Index>
DIVULGE_INLINED void substitute(Team& team, const Staircase<Index>& s) {
  for (Index j = s.n; j-- > 0;) {
    const Index pivot = s.pivots[j];
    const double* column = s.column(j);
    const double x = pivot == s.dropped ? 0 : s.b[pivot] / column[pivot];
    for (Index k = team.thread(); pivot != s.dropped && k < pivot; k += team.threads())
      s.b[k] -= x * column[k];
    if (team.thread() == 0) s.x[j] = x;
    team.barrier();
  }
}

}  // namespace divulge::kernels
