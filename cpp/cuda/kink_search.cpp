#include "cuda/kink_search.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace divulge::cuda {

using kernels::KinkJumps;
using kernels::KinkSearch;

template <class T>
KinkPlan plan_kink_search(const KinkSearch<T>& search, int device) {
  if (search.net.count < 1 || search.net.count > kernels::max_layers)
    throw std::invalid_argument("kink search: expected 1 to " + std::to_string(kernels::max_layers) +
                                " layers, got " + std::to_string(search.net.count));
  const unsigned threads = KinkSearch<T>::max_threads;
  const std::size_t shared = search.shared_bytes();
  const unsigned resident = search.lines > 0 ? resident_blocks<KinkSearch<T>>(threads, shared, device) : 0;
  const Grid grid{std::min(search.lines, std::max(1u, resident)), threads, shared};
  return {grid, grid.blocks * search.workspace_bytes()};
}

template <class T>
void kink_search(const KinkSearch<T>& search, std::size_t workspace, const Stream& stream) {
  const KinkPlan plan = plan_kink_search(search, stream.device);
  if (workspace < plan.workspace)
    throw std::invalid_argument("kink search: expected a workspace of " + std::to_string(plan.workspace) +
                                " bytes, got " + std::to_string(workspace));
  launch(search, plan.grid, stream);
}

template <class T>
void enumerate_kinks(const kernels::KinkEnumeration<T>& walk, const Stream& stream) {
  launch(walk, {walk.lines, kernels::KinkEnumeration<T>::max_threads, walk.shared_bytes()}, stream);
}

template <class T>
void kink_jumps(const KinkJumps<T>& jumps, const Stream& stream) {
  launch(jumps, {jumps.count, KinkJumps<T>::max_threads, jumps.shared_bytes()}, stream);
}

#define DIVULGE_INSTANTIATE(T)                                                      \
  template KinkPlan plan_kink_search(const KinkSearch<T>&, int);                    \
  template void kink_search(const KinkSearch<T>&, std::size_t, const Stream&);      \
  template void enumerate_kinks(const kernels::KinkEnumeration<T>&, const Stream&); \
  template void kink_jumps(const KinkJumps<T>&, const Stream&);
DIVULGE_INSTANTIATE(float)
DIVULGE_INSTANTIATE(double)
#undef DIVULGE_INSTANTIATE

}  // namespace divulge::cuda
