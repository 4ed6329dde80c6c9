#include "kernels/masked_least_squares.h"

#include "device/instantiate.cuh"

namespace divulge {
DIVULGE_LAUNCH(kernels::MaskedLeastSquares)
}  // namespace divulge
