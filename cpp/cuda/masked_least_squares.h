#pragma once

#include <cstddef>

#include "kernels/launch.h"
#include "kernels/masked_least_squares.h"

namespace divulge::cuda {

// How `count` problems of h rows in m dimensions are run: at most as many blocks as the device holds at once,
// each with its part of the workspace.
struct MaskedPlan {
  Grid grid;
  std::size_t workspace = 0;  // numbers
};

MaskedPlan plan_masked_least_squares(unsigned count, unsigned h, unsigned m, int device);

// Queues the problems; all pointers are the device's. Throws std::invalid_argument where the workspace holds
// less than the plan says.
void masked_least_squares(const kernels::MaskedLeastSquares& problems, std::size_t workspace,
                          const Stream& stream);

}  // namespace divulge::cuda
