#include "cuda/backend.h"

#include <algorithm>

#include "kernels/curvature_stages.h"

namespace divulge::cuda {
namespace {

constexpr unsigned threads = kernels::Stage::max_threads;
constexpr std::size_t most_blocks = 4096;

}  // namespace

// A thread for each of `work` elements, or as many as make sense.
template <class T>
template <class Kernel>
void DeviceBackend<T>::run(const Kernel& kernel, std::size_t work) const {
  const std::size_t blocks = std::min(most_blocks, (work + threads - 1) / threads);
  launch(kernel, {static_cast<unsigned>(blocks), threads, 0}, stream_);
}

template <class T>
void DeviceBackend<T>::activate(Activation kind, const T* bias, std::size_t n, std::size_t h, T* z) const {
  kernels::Activate<T> kernel;
  kernel.kind = kind;
  kernel.bias = bias;
  kernel.size = n * h;
  kernel.h = h;
  kernel.z = z;
  run(kernel, kernel.size);
}

template <class T>
void DeviceBackend<T>::backpropagate(Activation kind, const T* a, std::size_t size, T* delta, T* bend) const {
  kernels::Backpropagate<T> kernel;
  kernel.kind = kind;
  kernel.a = a;
  kernel.size = size;
  kernel.delta = delta;
  kernel.bend = bend;
  run(kernel, size);
}

template <class T>
void DeviceBackend<T>::tangent(Activation kind, const T* a, const T* c, std::size_t n, std::size_t m,
                               std::size_t h, T* r) const {
  kernels::Tangent<T> kernel;
  kernel.kind = kind;
  kernel.a = a;
  kernel.c = c;
  kernel.size = n * m * h;
  kernel.m = m;
  kernel.h = h;
  kernel.r = r;
  run(kernel, kernel.size);
}

template <class T>
void DeviceBackend<T>::tangent_backward(Activation kind, const T* a, const T* bend, const T* r, std::size_t n,
                                        std::size_t m, std::size_t h, T* ra) const {
  kernels::TangentBackward<T> kernel;
  kernel.kind = kind;
  kernel.a = a;
  kernel.bend = bend;
  kernel.r = r;
  kernel.size = n * m * h;
  kernel.m = m;
  kernel.h = h;
  kernel.ra = ra;
  run(kernel, kernel.size);
}

template <class T>
void DeviceBackend<T>::evaluate_loss(const Loss& loss, const T* z, const T* y, std::size_t n, std::size_t k,
                                     std::size_t targets, T* losses, T* gradients, T* curvature) const {
  kernels::EvaluateLoss<T> kernel;
  kernel.kind = loss.kind;
  kernel.temperature = static_cast<T>(loss.temperature);
  kernel.z = z;
  kernel.y = y;
  kernel.n = n;
  kernel.k = k;
  kernel.targets = targets;
  kernel.losses = losses;
  kernel.gradients = gradients;
  kernel.curvature = curvature;
  run(kernel, n);
}

template <class T>
void DeviceBackend<T>::loss_hessian(const Loss& loss, const T* curvature, const T* c, std::size_t n,
                                    std::size_t m, std::size_t k, T* r) const {
  kernels::LossHessian<T> kernel;
  kernel.kind = loss.kind;
  kernel.curvature = curvature;
  kernel.c = c;
  kernel.n = n;
  kernel.m = m;
  kernel.k = k;
  kernel.r = r;
  run(kernel, n * m);
}

template <class T>
void DeviceBackend<T>::add_row_dots(const T* delta, const T* u, const T* c, std::size_t n, std::size_t m,
                                    std::size_t h, std::size_t stride, T* scores) const {
  kernels::AddRowDots<T> kernel;
  kernel.delta = delta;
  kernel.u = u;
  kernel.c = c;
  kernel.n = n;
  kernel.m = m;
  kernel.h = h;
  kernel.stride = stride;
  kernel.scores = scores;
  run(kernel, n * m * kernels::warp_size);
}

template <class T>
void DeviceBackend<T>::fill(T* x, std::size_t size, T value) const {
  kernels::Fill<T> kernel;
  kernel.x = x;
  kernel.size = size;
  kernel.value = value;
  run(kernel, size);
}

template <class T>
void DeviceBackend<T>::fill_column(MatrixView<T> x, std::size_t column) const {
  kernels::FillColumn<T> kernel;
  kernel.x = x.data;
  kernel.size = x.size();
  kernel.columns = x.cols;
  kernel.column = column;
  run(kernel, kernel.size);
}

template <class T>
void DeviceBackend<T>::pack(const ChainView<T>& chain, const T* vectors, const LayerBlocksView<T>& to) const {
  kernels::PackVectors<T> kernel;
  kernel.vectors = vectors;
  kernel.parameters = parameters(chain);
  kernel.m = to.m;
  for (std::size_t l = 0; l < chain.size(); ++l) {
    kernel.h = chain[l].outputs;
    kernel.d = chain[l].inputs;
    kernel.weight = to.weights[l].data;
    kernel.mixed = to.mixed[l].data;
    kernel.bias = to.biases[l];
    run(kernel, to.weights[l].size());
    kernel.offset += chain[l].parameters();
  }
}

template <class T>
void DeviceBackend<T>::unpack(const ChainView<T>& chain, const LayerBlocksView<T>& from, T scale,
                              T* out) const {
  kernels::UnpackVectors<T> kernel;
  kernel.parameters = parameters(chain);
  kernel.m = from.m;
  kernel.scale = scale;
  kernel.out = out;
  for (std::size_t l = 0; l < chain.size(); ++l) {
    kernel.weight = from.weights[l].data;
    kernel.mixed = from.mixed[l].data;
    kernel.bias = from.biases[l];
    kernel.h = chain[l].outputs;
    kernel.d = chain[l].inputs;
    run(kernel, from.weights[l].size());
    kernel.offset += chain[l].parameters();
  }
}

template class DeviceBackend<float>;
template class DeviceBackend<double>;

}  // namespace divulge::cuda
