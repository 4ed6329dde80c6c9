#pragma once

#include "kernels/kink_jumps.h"
#include "kernels/kink_search.h"
#include "kernels/masked_least_squares.h"

// All kernels, for those who instantiate launch() and resident_blocks(): KERNEL(name) for each.
#define DIVULGE_KERNELS(KERNEL)       \
  KERNEL(kernels::MaskedLeastSquares) \
  KERNEL(kernels::KinkSearch<float>)  \
  KERNEL(kernels::KinkSearch<double>) \
  KERNEL(kernels::KinkJumps<float>)   \
  KERNEL(kernels::KinkJumps<double>)
