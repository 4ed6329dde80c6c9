#pragma once

#include <cstddef>

#include "kernels/kink_enumeration.h"
#include "kernels/kink_jumps.h"
#include "kernels/kink_search.h"
#include "kernels/launch.h"

namespace divulge::cuda {

// At most as many blocks as the device holds at once, each with its part of the workspace.
struct KinkPlan {
  Grid grid;
  std::size_t workspace = 0;  // bytes
};

// Throws std::invalid_argument for a network of no layer, or of more than kernels::max_layers.
template <class T>
KinkPlan plan_kink_search(const kernels::KinkSearch<T>& search, int device);

// Queues the search; all pointers are the device's. Throws std::invalid_argument where the workspace holds
// less than the plan says.
template <class T>
void kink_search(const kernels::KinkSearch<T>& search, std::size_t workspace, const Stream& stream);

template <class T>
void enumerate_kinks(const kernels::KinkEnumeration<T>& walk, const Stream& stream);

template <class T>
void kink_jumps(const kernels::KinkJumps<T>& jumps, const Stream& stream);

}  // namespace divulge::cuda
