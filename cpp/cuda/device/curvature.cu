#include "device/instantiate.cuh"
#include "kernels/all.h"

namespace divulge {
DIVULGE_CURVATURE_KERNELS(DIVULGE_LAUNCH, float)
DIVULGE_CURVATURE_KERNELS(DIVULGE_LAUNCH, double)
}  // namespace divulge
