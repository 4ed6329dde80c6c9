#include "kernels/kink_jumps.h"

#include "device/instantiate.cuh"

namespace divulge {
DIVULGE_LAUNCH(kernels::KinkJumps<float>)
DIVULGE_LAUNCH(kernels::KinkJumps<double>)
}  // namespace divulge
