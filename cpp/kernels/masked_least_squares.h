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
    Staircase<unsigned> p;
    p.m = m;
    p.triangular = triangular;
    p.b = memory.take<double>(m);
    Team<Block> team{block, memory.take<double>(m)};
    p.x = memory.take<double>(h);
    p.active = memory.take<unsigned>(h);
    p.pivots = memory.take<unsigned>(h);
    unsigned* const scratch = memory.take<unsigned>(max_threads / warp_size);
    p.columns = workspace + std::size_t{block.block()} * h * m;
    for (unsigned i = block.block(); i < count; i += block.blocks()) {
      block.barrier();
      read(block, i, p, scratch);
      const double size = team.length_squared(p.b, m) + (outside ? outside[i] : 0);
      const unsigned rank = triangulate(team, p, tolerance);
      const double rest = team.length_squared(p.b + rank, m - rank) + (outside ? outside[i] : 0);
      block.barrier();
      substitute(team, p);
      for (unsigned j = block.thread(); j < p.n; j += block.threads())
        coefficients[std::size_t{i} * h + p.active[j]] = p.x[j];
      if (block.thread() == 0) {
        ranks[i] = rank;
        residuals[i] = rest > 0 ? std::sqrt(rest / size) : 0;
      }
    }
  }

 private:
  // The threads of a block, with shared memory v (m,); see kernels/householder.h.
  template <class Block>
  struct Team {
    Block& block;
    double* held;

    DIVULGE_DEVICE unsigned thread() const { return block.thread(); }
    DIVULGE_DEVICE unsigned threads() const { return block.threads(); }
    DIVULGE_DEVICE void barrier() const { block.barrier(); }

    // By every warp for itself.
    DIVULGE_DEVICE double length_squared(const double* x, unsigned n) const {
      double sum = 0;
      for (unsigned i = lane(block); i < n; i += warp_size) sum += x[i] * x[i];
      return warp_sum(block, sum);
    }

    DIVULGE_DEVICE const double* hold(const double* column, double v, unsigned n) const {
      for (unsigned k = thread(); k < n; k += threads()) held[k] = k == 0 ? v : column[k];
      barrier();
      return held;
    }

    // A warp a column.
    DIVULGE_DEVICE void reflect(const double* v, double scale, const Staircase<unsigned>& s, unsigned first,
                                unsigned pivot, unsigned n) const {
      for (unsigned k = first + warp(block); k <= s.n; k += warps(block)) {
        double* const y = (k < s.n ? s.column(k) : s.b) + pivot;
        double dot = 0;
        for (unsigned i = lane(block); i < n; i += warp_size) dot += v[i] * y[i];
        const double factor = scale * warp_sum(block, dot);
        for (unsigned i = lane(block); i < n; i += warp_size) y[i] -= factor * v[i];
      }
    }
  };

  // The active rows of problem i become columns, its target b; its coefficients zero.
  template <class Block>
  DIVULGE_DEVICE void read(Block& block, unsigned i, Staircase<unsigned>& p, unsigned* scratch) const {
    p.n = 0;
    for (unsigned first = 0; first < h; first += block.threads()) {
      const unsigned j = first + block.thread();
      const bool on = j < h && mask[std::size_t{i} * h + j] != 0;
      const Prefix prefix = block_prefix(block, on, scratch);
      if (on) p.active[p.n + prefix.before] = j;
      if (j < h) coefficients[std::size_t{i} * h + j] = 0;
      p.n += prefix.total;
      block.barrier();
    }
    for (unsigned k = block.thread(); k < m; k += block.threads()) p.b[k] = targets[std::size_t{i} * m + k];
    const double* from = rows + (shared_rows ? 0 : std::size_t{i} * h * m);
    for (unsigned j = warp(block); j < p.n; j += warps(block))
      for (unsigned k = lane(block); k < p.height(j); k += warp_size)
        p.column(j)[k] = from[std::size_t{p.active[j]} * m + k];
    block.barrier();
  }
};

}  // namespace divulge::kernels
