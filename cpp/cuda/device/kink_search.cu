#include "kernels/kink_search.h"

#include "device/instantiate.cuh"

namespace divulge {
DIVULGE_LAUNCH(kernels::KinkSearch<float>)
DIVULGE_LAUNCH(kernels::KinkSearch<double>)
}  // namespace divulge
