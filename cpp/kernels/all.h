#pragma once

#include "kernels/curvature_stages.h"
#include "kernels/kink_enumeration.h"
#include "kernels/kink_jumps.h"
#include "kernels/kink_search.h"
#include "kernels/masked_least_squares.h"

// The kernels, for those who instantiate launch() and resident_blocks(): KERNEL(name) for each.
#define DIVULGE_KINK_KERNELS(KERNEL, T) \
  KERNEL(kernels::KinkEnumeration<T>)   \
  KERNEL(kernels::KinkSearch<T>)        \
  KERNEL(kernels::KinkJumps<T>)

#define DIVULGE_CURVATURE_KERNELS(KERNEL, T) \
  KERNEL(kernels::Activate<T>)               \
  KERNEL(kernels::AddRowDots<T>)             \
  KERNEL(kernels::Backpropagate<T>)          \
  KERNEL(kernels::EvaluateLoss<T>)           \
  KERNEL(kernels::Fill<T>)                   \
  KERNEL(kernels::FillColumn<T>)             \
  KERNEL(kernels::LossHessian<T>)            \
  KERNEL(kernels::PackVectors<T>)            \
  KERNEL(kernels::Tangent<T>)                \
  KERNEL(kernels::TangentBackward<T>)        \
  KERNEL(kernels::UnpackVectors<T>)

#define DIVULGE_KERNELS(KERNEL)            \
  KERNEL(kernels::MaskedLeastSquares)      \
  DIVULGE_KINK_KERNELS(KERNEL, float)      \
  DIVULGE_KINK_KERNELS(KERNEL, double)     \
  DIVULGE_CURVATURE_KERNELS(KERNEL, float) \
  DIVULGE_CURVATURE_KERNELS(KERNEL, double)
