#pragma once

#include "kernels/masked_least_squares.h"

// All kernels, for those who instantiate launch() and resident_blocks(): KERNEL(name) for each.
#define DIVULGE_KERNELS(KERNEL) KERNEL(kernels::MaskedLeastSquares)
