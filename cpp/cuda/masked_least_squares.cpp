#include "cuda/masked_least_squares.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace divulge::cuda {

using kernels::MaskedLeastSquares;

MaskedPlan plan_masked_least_squares(unsigned count, unsigned h, unsigned m, int device) {
  const unsigned threads = std::max(h, m) <= 64 ? 64 : MaskedLeastSquares::max_threads;
  const std::size_t shared = MaskedLeastSquares::shared_bytes(h, m);
  const unsigned resident = count > 0 ? resident_blocks<MaskedLeastSquares>(threads, shared, device) : 0;
  const Grid grid{std::min(count, std::max(1u, resident)), threads, shared};
  return {grid, std::size_t{grid.blocks} * h * m};
}

void masked_least_squares(const MaskedLeastSquares& problems, std::size_t workspace, const Stream& stream) {
  const MaskedPlan plan = plan_masked_least_squares(problems.count, problems.h, problems.m, stream.device);
  if (workspace < plan.workspace)
    throw std::invalid_argument("masked least squares: expected a workspace of " +
                                std::to_string(plan.workspace) + " numbers, got " +
                                std::to_string(workspace));
  launch(problems, plan.grid, stream);
}

}  // namespace divulge::cuda
