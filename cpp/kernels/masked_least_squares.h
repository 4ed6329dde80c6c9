#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/block.h"
#include "kernels/householder.h"

namespace divulge::kernels {

// r_i (h,) = argmin |r_i B_i - b_i| over all r_i that are zero where mask i is; see
// core/linalg/masked_least_squares.h. One block a problem, its columns in global memory, where they stay in
// the second-level cache; b and the reflected column in shared memory; a warp a column.
struct MaskedLeastSquares {
  static constexpr unsigned max_threads = 256;

  const double* rows = nullptr;  // (h, m) for all problems, or (count, h, m)
  bool shared_rows = true;
  bool triangular = false;             // row j is zero from entry j + 1 on
  const double* targets = nullptr;     // (count, m)
  const double* outside = nullptr;     // (count,) |.|^2 of what of a target no row reaches, or null
  const std::uint8_t* mask = nullptr;  // (count, h)
  unsigned count = 0, h = 0, m = 0;
  double tolerance = 0;
  double* coefficients = nullptr;  // (count, h)
  double* residuals = nullptr;     // (count,)
  std::int64_t* ranks = nullptr;   // (count,)
  double* workspace = nullptr;     // (blocks, h, m)

  static constexpr std::size_t shared_bytes(unsigned h, unsigned m) {
    return 2 * SharedMemory::bytes<double>(m) + SharedMemory::bytes<double>(h) +
           2 * SharedMemory::bytes<unsigned>(h) + SharedMemory::bytes<unsigned>(max_threads / warp_size);
  }

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    SharedMemory memory(block.shared());
    Problem p;
    p.b = memory.take<double>(m);
    p.v = memory.take<double>(m);
    p.x = memory.take<double>(h);
    p.active = memory.take<unsigned>(h);
    p.pivots = memory.take<unsigned>(h);
    p.scratch = memory.take<unsigned>(max_threads / warp_size);
    p.columns = workspace + std::size_t{block.block()} * h * m;
    for (unsigned i = block.block(); i < count; i += block.blocks()) {
      block.barrier();
      read(block, i, p);
      const double size = length_squared(block, p.b, 0, m) + (outside ? outside[i] : 0);
      const unsigned rank = triangulate(block, p);
      const double rest = length_squared(block, p.b, rank, m) + (outside ? outside[i] : 0);
      block.barrier();
      substitute(block, p);
      for (unsigned j = block.thread(); j < p.n; j += block.threads())
        coefficients[std::size_t{i} * h + p.active[j]] = p.x[j];
      if (block.thread() == 0) {
        ranks[i] = rank;
        residuals[i] = rest > 0 ? std::sqrt(rest / size) : 0;
      }
    }
  }

 private:
  static constexpr unsigned dropped = ~0u;

  struct Problem {
    unsigned n = 0;  // active rows
    double *columns, *b, *v, *x;
    unsigned *active, *pivots, *scratch;
  };

  DIVULGE_DEVICE unsigned height(unsigned row) const { return triangular ? row + 1 : m; }

  // Sum of squares of x[begin ... end), by every warp for itself.
  template <class Block>
  DIVULGE_DEVICE static double length_squared(Block& block, const double* x, unsigned begin, unsigned end) {
    double sum = 0;
    for (unsigned i = begin + lane(block); i < end; i += warp_size) sum += x[i] * x[i];
    return warp_sum(block, sum);
  }

  // The active rows of problem i become columns, its target b; its coefficients zero.
  template <class Block>
  DIVULGE_DEVICE void read(Block& block, unsigned i, Problem& p) const {
    p.n = 0;
    for (unsigned first = 0; first < h; first += block.threads()) {
      const unsigned j = first + block.thread();
      const bool on = j < h && mask[std::size_t{i} * h + j] != 0;
      const Prefix prefix = block_prefix(block, on, p.scratch);
      if (on) p.active[p.n + prefix.before] = j;
      if (j < h) coefficients[std::size_t{i} * h + j] = 0;
      p.n += prefix.total;
      block.barrier();
    }
    for (unsigned k = block.thread(); k < m; k += block.threads()) p.b[k] = targets[std::size_t{i} * m + k];
    const double* from = rows + (shared_rows ? 0 : std::size_t{i} * h * m);
    for (unsigned j = warp(block); j < p.n; j += warps(block))
      for (unsigned k = lane(block); k < height(p.active[j]); k += warp_size)
        p.columns[std::size_t{j} * m + k] = from[std::size_t{p.active[j]} * m + k];
    block.barrier();
  }

  // Columns become R, b is reflected along; returns the rank. pivots[j] is the row of R that column j heads,
  // or `dropped`.
  template <class Block>
  DIVULGE_DEVICE unsigned triangulate(Block& block, const Problem& p) const {
    unsigned rank = 0;
    for (unsigned j = 0; j < p.n; ++j) {
      const double* column = p.columns + std::size_t{j} * m;
      const unsigned end = height(p.active[j]), above = rank < end ? rank : end;
      const double left = length_squared(block, column, above, end);
      const double whole = length_squared(block, column, 0, above) + left;
      const bool independent = off_the_span(left, whole, tolerance);
      if (block.thread() == 0) p.pivots[j] = independent ? rank : dropped;
      if (independent) eliminate(block, p, j, rank++, std::sqrt(left));
    }
    block.barrier();
    return rank;
  }

  // Reflects column j from row p on, and later columns and b with it, down to its own height.
  template <class Block>
  DIVULGE_DEVICE void eliminate(Block& block, const Problem& p, unsigned j, unsigned pivot,
                                double size) const {
    double* column = p.columns + std::size_t{j} * m;
    const unsigned length = height(p.active[j]) - pivot;
    if (length == 1) return;
    const Reflector r = reflector(column[pivot], size);
    for (unsigned k = block.thread(); k < length; k += block.threads())
      p.v[k] = k == 0 ? r.v : column[pivot + k];
    block.barrier();
    if (block.thread() == 0) column[pivot] = r.head;
    for (unsigned k = j + 1 + warp(block); k <= p.n; k += warps(block))
      reflect(block, p.v, r.scale, (k < p.n ? p.columns + std::size_t{k} * m : p.b) + pivot, length);
    block.barrier();
  }

  template <class Block>
  DIVULGE_DEVICE static void reflect(Block& block, const double* v, double scale, double* y,
                                     unsigned length) {
    double dot = 0;
    for (unsigned k = lane(block); k < length; k += warp_size) dot += v[k] * y[k];
    const double factor = scale * warp_sum(block, dot);
    for (unsigned k = lane(block); k < length; k += warp_size) y[k] -= factor * v[k];
  }

  // x from R x = b, from the last column to the first; uses b up.
  template <class Block>
  DIVULGE_DEVICE void substitute(Block& block, const Problem& p) const {
    for (unsigned j = p.n; j-- > 0;) {
      const unsigned pivot = p.pivots[j];
      const double* column = p.columns + std::size_t{j} * m;
      const double x = pivot == dropped ? 0 : p.b[pivot] / column[pivot];
      for (unsigned k = block.thread(); pivot != dropped && k < pivot; k += block.threads())
        p.b[k] -= x * column[k];
      if (block.thread() == 0) p.x[j] = x;
      block.barrier();
    }
  }
};

}  // namespace divulge::kernels
