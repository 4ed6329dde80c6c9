#include "core/curvature/chain_state.h"

#include <algorithm>

#include "core/curvature/chain_passes.h"
#include "core/curvature/host_backend.h"

namespace divulge {

template <class T>
ChainState<T>::ChainState(const Chain<T>& chain, MatrixView<const T> x) : state_(nullptr, chain.view(), x) {}

template <class T>
void ChainState<T>::evaluate(const Chain<T>& chain, const Loss& loss, MatrixView<const T> targets,
                             Span<T> losses) {
  divulge::evaluate(HostBackend<T>{}, chain.view(), loss, targets.data, view(), losses.data);
}

template <class T>
void ChainState<T>::forward(const Chain<T>& chain) {
  divulge::forward(HostBackend<T>{}, chain.view(), view());
}

template <class T>
void ChainState<T>::backward(const Chain<T>& chain, MatrixView<const T> cotangents) {
  std::copy_n(cotangents.data, cotangents.size(), view().deltas.back().data);
  divulge::backward(HostBackend<T>{}, chain.view(), view());
}

template class ChainState<float>;
template class ChainState<double>;

}  // namespace divulge
