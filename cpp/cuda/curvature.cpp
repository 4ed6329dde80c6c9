#include "cuda/curvature.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "kernels/curvature_stages.h"

namespace divulge::cuda {
namespace {

constexpr unsigned threads = kernels::Stage::max_threads;
constexpr std::size_t most_blocks = 4096;

// A thread for each of `work` elements, or as many as make sense.
template <class Kernel>
void run(const Kernel& kernel, std::size_t work, const Stream& stream) {
  const std::size_t blocks = std::min(most_blocks, (work + threads - 1) / threads);
  launch(kernel, {static_cast<unsigned>(blocks), threads, 0}, stream);
}

template <class T>
void fill(T* x, std::size_t size, T value, const Stream& stream) {
  kernels::Fill<T> kernel;
  kernel.x = x;
  kernel.size = size;
  kernel.value = value;
  run(kernel, size, stream);
}

}  // namespace

// m vectors as LayerBlocks holds them.
template <class T>
struct DeviceCurvature<T>::Packed {
  std::size_t m;
  T* begin;
  std::size_t size;
  std::vector<T*> weight, mixed, bias;  // mixed and bias null where there is none
};

template <class T>
DeviceCurvature<T>::DeviceCurvature(std::vector<DeviceLayer<T>> layers, Loss loss, const T* inputs,
                                    const T* targets, std::size_t n, T* state)
    : layers_(std::move(layers)), loss_(loss), inputs_(inputs), targets_(targets), n_(n), state_(state) {
  if (layers_.empty()) throw std::invalid_argument("expected at least one layer, got none");
}

template <class T>
std::size_t DeviceCurvature<T>::parameters() const {
  std::size_t sum = 0;
  for (const auto& layer : layers_) sum += layer.outputs * (layer.inputs + (layer.bias ? 1 : 0));
  return sum;
}

template <class T>
std::size_t DeviceCurvature<T>::state_numbers() const {
  std::size_t sum = layers_.back().outputs;
  for (const auto& layer : layers_) sum += 3 * layer.outputs;
  return n_ * sum;
}

template <class T>
std::size_t DeviceCurvature<T>::workspace_numbers(std::size_t m) const {
  std::size_t width = 0, widest = 0, second = 0;
  for (std::size_t l = 0; l < depth(); ++l) {
    width += layers_[l].outputs;
    widest = std::max(widest, layers_[l].outputs);
    second += l > 0 ? layers_[l].outputs * layers_[l].inputs : 0;
  }
  return n_ * m * (width + widest) + 2 * m * (parameters() + second) + n_;
}

template <class T>
std::size_t DeviceCurvature<T>::place(std::size_t l, std::size_t which) const {
  std::size_t before = 0;
  for (std::size_t i = 0; i < l; ++i) before += 3 * layers_[i].outputs;
  return n_ * (before + (l < depth() ? which * layers_[l].outputs : 0));
}

template <class T>
void DeviceCurvature<T>::forward(const BlasTable& blas, const Stream& stream) const {
  for (std::size_t l = 0; l < depth(); ++l) {
    const DeviceLayer<T>& layer = layers_[l];
    gemm<T>(blas, Op::none, Op::transpose, 1, {layer_inputs(l), n_, layer.inputs},
            {layer.weight, layer.outputs, layer.inputs}, 0, {output(l), n_, layer.outputs});
    kernels::Activate<T> kernel;
    kernel.kind = layer.activation;
    kernel.bias = layer.bias;
    kernel.size = n_ * layer.outputs;
    kernel.h = layer.outputs;
    kernel.z = output(l);
    run(kernel, kernel.size, stream);
  }
}

// The deltas of all layers from that of the last.
template <class T>
void DeviceCurvature<T>::backward(const BlasTable& blas, const Stream& stream) const {
  for (std::size_t l = depth() - 1; l > 0; --l) {
    const DeviceLayer<T>&layer = layers_[l], &below = layers_[l - 1];
    gemm<T>(blas, Op::none, Op::none, 1, {part(l, 1), n_, layer.outputs},
            {layer.weight, layer.outputs, layer.inputs}, 0, {part(l - 1, 1), n_, below.outputs});
    kernels::Backpropagate<T> kernel;
    kernel.kind = below.activation;
    kernel.a = output(l - 1);
    kernel.size = n_ * below.outputs;
    kernel.delta = part(l - 1, 1);
    kernel.bend = part(l - 1, 2);
    run(kernel, kernel.size, stream);
  }
}

template <class T>
void DeviceCurvature<T>::evaluate(const BlasTable& blas, const Stream& stream, T* losses) const {
  forward(blas, stream);
  kernels::EvaluateLoss<T> kernel;
  kernel.kind = loss_.kind;
  kernel.temperature = static_cast<T>(loss_.temperature);
  kernel.z = output(depth() - 1);
  kernel.y = targets_;
  kernel.n = n_;
  kernel.k = layers_.back().outputs;
  kernel.targets = loss_.kind == LossKind::squared ? kernel.k : 1;
  kernel.losses = losses;
  kernel.gradients = part(depth() - 1, 1);
  kernel.curvature = loss_curvature();
  run(kernel, n_, stream);
  backward(blas, stream);
}

template <class T>
void DeviceCurvature<T>::input_gradients(const BlasTable& blas, const Stream& stream, std::size_t chosen,
                                         T* out) const {
  const std::size_t k = layers_.back().outputs;
  if (chosen >= k)
    throw std::invalid_argument("expected an output below " + std::to_string(k) + ", got " +
                                std::to_string(chosen));
  forward(blas, stream);
  kernels::FillColumn<T> kernel;
  kernel.x = part(depth() - 1, 1);
  kernel.size = n_ * k;
  kernel.columns = k;
  kernel.column = chosen;
  run(kernel, kernel.size, stream);
  backward(blas, stream);
  gemm<T>(blas, Op::none, Op::none, 1, {part(0, 1), n_, layers_[0].outputs},
          {layers_[0].weight, layers_[0].outputs, layers_[0].inputs}, 0, {out, n_, layers_[0].inputs});
}

// Takes its memory from `next`.
template <class T>
typename DeviceCurvature<T>::Packed DeviceCurvature<T>::packed(std::size_t m, bool mixed, T*& next) const {
  Packed p{m, next, 0, {}, {}, {}};
  for (std::size_t l = 0; l < depth(); ++l) {
    const std::size_t h = layers_[l].outputs, size = m * h * layers_[l].inputs;
    p.weight.push_back(std::exchange(next, next + size));
    p.mixed.push_back(mixed && l > 0 ? std::exchange(next, next + size) : nullptr);
    p.bias.push_back(layers_[l].bias ? std::exchange(next, next + m * h) : nullptr);
  }
  p.size = static_cast<std::size_t>(next - p.begin);
  return p;
}

template <class T>
void DeviceCurvature<T>::pack(const Stream& stream, const T* vectors, const Packed& to) const {
  kernels::PackVectors<T> kernel;
  kernel.vectors = vectors;
  kernel.parameters = parameters();
  kernel.m = to.m;
  for (std::size_t l = 0; l < depth(); ++l) {
    kernel.h = layers_[l].outputs;
    kernel.d = layers_[l].inputs;
    kernel.weight = to.weight[l];
    kernel.mixed = to.mixed[l];
    kernel.bias = to.bias[l];
    run(kernel, to.m * kernel.h * kernel.d, stream);
    kernel.offset += kernel.h * (kernel.d + (kernel.bias ? 1 : 0));
  }
}

// The R-operator over all rows: the steps, and their names, of TangentPass in core/curvature/products.cpp.
template <class T>
struct DeviceCurvature<T>::Pass {
  const DeviceCurvature& owner;
  const BlasTable& blas;
  const Stream& stream;
  bool exact;
  const Packed &vectors, &sums;
  std::vector<T*> tangents;  // (n m, h_l)
  T *scratch, *ones;

  const DeviceLayer<T>& layer(std::size_t l) const { return owner.layers_[l]; }
  std::size_t n() const { return owner.n_; }
  std::size_t m() const { return vectors.m; }
  MatrixView<T> tangent(std::size_t l) const { return {tangents[l], n() * m(), layer(l).outputs}; }
  MatrixView<T> wide(std::size_t l) const { return {tangents[l], n(), m() * layer(l).outputs}; }
  MatrixView<const T> inputs(std::size_t l) const { return {owner.layer_inputs(l), n(), layer(l).inputs}; }
  MatrixView<const T> delta(std::size_t l) const { return {owner.part(l, 1), n(), layer(l).outputs}; }
  MatrixView<const T> matrix(std::size_t l) const {
    return {layer(l).weight, layer(l).outputs, layer(l).inputs};
  }

  void forward() const {
    for (std::size_t l = 0; l < owner.depth(); ++l) {
      const std::size_t h = layer(l).outputs;
      gemm<T>(blas, Op::none, Op::transpose, 1, inputs(l), {vectors.weight[l], m() * h, layer(l).inputs}, 0,
              wide(l));
      if (l > 0) gemm<T>(blas, Op::none, Op::transpose, 1, tangent(l - 1), matrix(l), 1, tangent(l));
      l + 1 < owner.depth() ? activation(l) : loss(l);
    }
  }

  void activation(std::size_t l) const {
    kernels::Tangent<T> kernel;
    kernel.kind = layer(l).activation;
    kernel.a = owner.output(l);
    kernel.c = vectors.bias[l];
    kernel.size = tangent(l).size();
    kernel.m = m();
    kernel.h = layer(l).outputs;
    kernel.r = tangents[l];
    run(kernel, kernel.size, stream);
  }

  void loss(std::size_t l) const {
    kernels::LossHessian<T> kernel;
    kernel.kind = owner.loss_.kind;
    kernel.curvature = owner.loss_curvature();
    kernel.c = vectors.bias[l];
    kernel.n = n();
    kernel.m = m();
    kernel.k = layer(l).outputs;
    kernel.r = tangents[l];
    run(kernel, n() * m(), stream);
  }

  void add_sums(std::size_t l) const {
    const std::size_t h = layer(l).outputs, d = layer(l).inputs;
    gemm<T>(blas, Op::transpose, Op::none, 1, wide(l), inputs(l), 1, {sums.weight[l], m() * h, d});
    if (exact && l > 0)
      gemm<T>(blas, Op::transpose, Op::none, 1, delta(l), wide(l - 1), 1, {sums.mixed[l], h, m() * d});
    if (sums.bias[l])
      gemm<T>(blas, Op::none, Op::none, 1, {ones, 1, n()}, wide(l), 1, {sums.bias[l], 1, m() * h});
  }

  void backward(std::size_t l) const {
    const std::size_t below = layer(l - 1).outputs;
    gemm<T>(blas, Op::none, Op::none, 1, tangent(l), matrix(l), 0, {scratch, n() * m(), below});
    if (exact)
      gemm<T>(blas, Op::none, Op::none, 1, delta(l), {vectors.mixed[l], layer(l).outputs, m() * below}, 1,
              {scratch, n(), m() * below});
    kernels::TangentBackward<T> kernel;
    kernel.kind = layer(l - 1).activation;
    kernel.a = owner.output(l - 1);
    kernel.bend = exact ? owner.part(l - 1, 2) : nullptr;
    kernel.r = scratch;
    kernel.size = tangent(l - 1).size();
    kernel.m = m();
    kernel.h = below;
    kernel.ra = tangents[l - 1];
    run(kernel, kernel.size, stream);
  }

  void write(T* out) const {
    kernels::UnpackVectors<T> kernel;
    kernel.parameters = owner.parameters();
    kernel.m = m();
    kernel.scale = T(1) / static_cast<T>(std::max<std::size_t>(n(), 1));
    kernel.out = out;
    for (std::size_t l = 0; l < owner.depth(); ++l) {
      kernel.weight = sums.weight[l];
      kernel.mixed = sums.mixed[l];
      kernel.bias = sums.bias[l];
      kernel.h = layer(l).outputs;
      kernel.d = layer(l).inputs;
      run(kernel, m() * kernel.h * kernel.d, stream);
      kernel.offset += kernel.h * (kernel.d + (kernel.bias ? 1 : 0));
    }
  }
};

template <class T>
void DeviceCurvature<T>::products(const BlasTable& blas, const Stream& stream, CurvatureKind kind,
                                  const T* vectors, std::size_t m, T* out, T* workspace) const {
  const bool exact = kind == CurvatureKind::hessian;
  T* next = workspace;
  const Packed given = packed(m, exact, next), sums = packed(m, exact, next);
  Pass pass{*this, blas, stream, exact, given, sums, {}, nullptr, nullptr};
  std::size_t widest = 0;
  for (const auto& layer : layers_) {
    pass.tangents.push_back(std::exchange(next, next + n_ * m * layer.outputs));
    widest = std::max(widest, layer.outputs);
  }
  pass.scratch = std::exchange(next, next + n_ * m * widest);
  pass.ones = next;
  pack(stream, vectors, given);
  fill(sums.begin, sums.size, T(0), stream);
  fill(pass.ones, n_, T(1), stream);
  pass.forward();
  for (std::size_t l = depth(); l-- > 0;) {
    pass.add_sums(l);
    if (l > 0) pass.backward(l);
  }
  pass.write(out);
}

template <class T>
void DeviceCurvature<T>::scores(const BlasTable& blas, const Stream& stream, const T* vectors, std::size_t m,
                                T* out, T* workspace) const {
  T* next = workspace;
  const Packed given = packed(m, false, next);
  pack(stream, vectors, given);
  fill(out, m * n_, T(0), stream);
  for (std::size_t l = 0; l < depth(); ++l) {
    const std::size_t h = layers_[l].outputs, d = layers_[l].inputs;
    gemm<T>(blas, Op::none, Op::transpose, 1, {layer_inputs(l), n_, d}, {given.weight[l], m * h, d}, 0,
            {next, n_, m * h});
    kernels::AddRowDots<T> kernel;
    kernel.delta = part(l, 1);
    kernel.u = next;
    kernel.c = given.bias[l];
    kernel.n = n_;
    kernel.m = m;
    kernel.h = h;
    kernel.stride = n_;
    kernel.scores = out;
    run(kernel, n_ * m * kernels::warp_size, stream);
  }
}

template class DeviceCurvature<float>;
template class DeviceCurvature<double>;

}  // namespace divulge::cuda
