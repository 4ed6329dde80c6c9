#include "device/instantiate.cuh"
#include "kernels/all.h"

namespace divulge {
DIVULGE_KINK_KERNELS(DIVULGE_LAUNCH, float)
DIVULGE_KINK_KERNELS(DIVULGE_LAUNCH, double)
}  // namespace divulge
