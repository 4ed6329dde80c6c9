#include "cuda/curvature.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/curvature/chain_passes.h"
#include "cuda/backend.h"

namespace divulge::cuda {

template <class T>
DeviceCurvature<T>::DeviceCurvature(ChainView<T> chain, Loss loss, const T* inputs, const T* targets,
                                    std::size_t n, T* state)
    : chain_(std::move(chain)), loss_(loss), targets_(targets), n_(n) {
  if (chain_.empty()) throw std::invalid_argument("expected at least one layer, got none");
  Room<T> room(state);
  state_ = StateView<T>(chain_, {inputs, n, chain_[0].inputs}, room);
  state_numbers_ = room.used();
}

template <class T>
std::size_t DeviceCurvature<T>::workspace_numbers(std::size_t m) const {
  Room<T> counted;
  for (int forms = 0; forms < 2; ++forms) LayerBlocksView<T>(chain_, m, true, counted);
  TangentMemory<T>(chain_, n_, m, counted);
  return counted.used();
}

template <class T>
std::size_t DeviceCurvature<T>::output_place(std::size_t l) const {
  std::size_t before = 0;
  for (std::size_t i = 0; i < l; ++i) before += chain_[i].outputs;
  return n_ * before;
}

template <class T>
void DeviceCurvature<T>::evaluate(const BlasTable& blas, const Stream& stream, T* losses) const {
  divulge::evaluate(DeviceBackend<T>(blas, stream), chain_, loss_, targets_, state_, losses);
}

template <class T>
void DeviceCurvature<T>::input_gradients(const BlasTable& blas, const Stream& stream, std::size_t chosen,
                                         T* out) const {
  const std::size_t k = chain_.back().outputs;
  if (chosen >= k)
    throw std::invalid_argument("expected an output below " + std::to_string(k) + ", got " +
                                std::to_string(chosen));
  const DeviceBackend<T> on(blas, stream);
  forward(on, chain_, state_);
  on.fill_column(state_.deltas.back(), chosen);
  backward(on, chain_, state_);
  on.gemm(Op::none, Op::none, state_.deltas[0], chain_[0].matrix(), 0, {out, n_, chain_[0].inputs});
}

template <class T>
void DeviceCurvature<T>::products(const BlasTable& blas, const Stream& stream, CurvatureKind kind,
                                  const T* vectors, std::size_t m, T* out, T* workspace) const {
  const bool exact = kind == CurvatureKind::hessian;
  const DeviceBackend<T> on(blas, stream);
  Room<T> room(workspace);
  const LayerBlocksView<T> given(chain_, m, exact, room);
  T* const first = workspace + room.used();
  const std::size_t before = room.used();
  const LayerBlocksView<T> sums(chain_, m, exact, room);
  on.fill(first, room.used() - before, T(0));
  const TangentMemory<T> memory(chain_, n_, m, room);
  on.fill(memory.ones, n_, T(1));
  on.pack(chain_, vectors, given);
  ROperator<DeviceBackend<T>>(on, chain_, loss_, kind, given, sums, memory).add(state_);
  on.unpack(chain_, sums, T(1) / static_cast<T>(std::max<std::size_t>(n_, 1)), out);
}

template <class T>
void DeviceCurvature<T>::scores(const BlasTable& blas, const Stream& stream, const T* vectors, std::size_t m,
                                T* out, T* workspace) const {
  const DeviceBackend<T> on(blas, stream);
  Room<T> room(workspace);
  const LayerBlocksView<T> given(chain_, m, false, room);
  on.pack(chain_, vectors, given);
  on.fill(out, m * n_, T(0));
  add_scores(on, chain_, state_, given, room.take(n_ * m * widest(chain_)), n_, out);
}

template class DeviceCurvature<float>;
template class DeviceCurvature<double>;

}  // namespace divulge::cuda
