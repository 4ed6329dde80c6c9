#include "core/network/network.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/linalg/blas.h"
#include "core/parallel/simd.h"
#include "core/parallel/thread_pool.h"
#include "kernels/relu.h"

namespace divulge {
namespace {

constexpr std::size_t rows_a_block = 128;

template <class T>
void fill_rows(const std::vector<T>& row, MatrixView<T> out) {
  for (std::size_t i = 0; i < out.rows; ++i) std::copy(row.begin(), row.end(), out.row(i).begin());
}

// out (n, outputs) = x (n, inputs) W' + b
template <class T>
void apply(const Layer<T>& layer, MatrixView<const T> x, MatrixView<T> out) {
  fill_rows(layer.bias, out);
  gemm<T>(Op::none, Op::transpose, 1, x, layer.matrix(), 1, out);
}

// y (n,) += a x (n,)
DIVULGE_SIMD void add_scaled(float a, const float* x, float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
}

DIVULGE_SIMD void add_scaled(double a, const double* x, double* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
}

template <class T>
void check_layers(const std::vector<Layer<T>>& layers) {
  if (layers.empty()) throw std::invalid_argument("a network needs at least one layer");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer<T>& layer = layers[i];
    const std::string name = "layer " + std::to_string(i);
    if (layer.weight.size() != layer.inputs * layer.outputs || layer.bias.size() != layer.outputs)
      throw std::invalid_argument(name + ": expected " + std::to_string(layer.outputs) + " biases, got " +
                                  std::to_string(layer.bias.size()));
    if (layer.inputs == 0 || layer.outputs == 0) throw std::invalid_argument(name + " is empty");
    if (i > 0 && layer.inputs != layers[i - 1].outputs)
      throw std::invalid_argument(name + ": expected " + std::to_string(layers[i - 1].outputs) +
                                  " inputs, got " + std::to_string(layer.inputs));
  }
}

}  // namespace

// The outputs (n, h_l) of every hidden layer l for one block of points. A backward pass asks only whether
// they are above zero, so activation patterns may stand in their place.
template <class T>
class DenseNetwork<T>::Activations {
 public:
  Activations(const DenseNetwork& network, std::size_t rows)
      : rows_(rows), storage_(rows * network.hidden_units()) {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < network.depth(); ++i) {
      const std::size_t width = network.layer(i).outputs;
      layers_.push_back({storage_.data() + offset, rows, width});
      offset += rows * width;
    }
  }

  std::size_t rows() const { return rows_; }
  MatrixView<T> layer(std::size_t i) const { return layers_[i]; }

  void set_patterns(MatrixView<const std::uint8_t> patterns) {
    std::size_t column = 0;
    for (const MatrixView<T>& layer : layers_) {
      for (std::size_t i = 0; i < rows_; ++i)
        std::copy_n(patterns.row(i).data + column, layer.cols, layer.row(i).data);
      column += layer.cols;
    }
  }

 private:
  std::size_t rows_;
  std::vector<T> storage_;
  std::vector<MatrixView<T>> layers_;
};

template <class T>
DenseNetwork<T>::DenseNetwork(std::vector<Layer<T>> layers) : layers_(std::move(layers)) {
  check_layers(layers_);
}

template <class T>
std::size_t DenseNetwork<T>::hidden_units() const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < depth(); ++i) sum += layers_[i].outputs;
  return sum;
}

template <class T>
void DenseNetwork<T>::check_output(std::size_t output) const {
  if (output >= output_size())
    throw std::invalid_argument("expected an output below " + std::to_string(output_size()) + ", got " +
                                std::to_string(output));
}

template <class T>
void DenseNetwork<T>::forward(MatrixView<const T> points, Activations& hidden) const {
  MatrixView<const T> x = points;
  for (std::size_t i = 0; i < depth(); ++i) {
    const MatrixView<T> z = hidden.layer(i);
    apply(layers_[i], x, z);
    for (std::size_t k = 0; k < z.size(); ++k) z.data[k] = kernels::relu(z.data[k]);
    x = z;
  }
}

// gradient = w_output M_L W_L ... M_1 W_1 with the diagonal activation patterns M_l.
template <class T>
void DenseNetwork<T>::backward(const Activations& hidden, std::size_t output, MatrixView<T> gradients) const {
  const std::size_t n = hidden.rows();
  const Span<const T> seed = layers_.back().matrix().row(output);
  std::vector<T> delta(n * seed.size), next;
  for (std::size_t i = 0; i < n; ++i) std::copy(seed.begin(), seed.end(), delta.data() + i * seed.size);
  for (std::size_t l = depth(); l-- > 0;) {
    const Layer<T>& layer = layers_[l];
    const MatrixView<T> active = hidden.layer(l);
    for (std::size_t k = 0; k < delta.size(); ++k)
      delta[k] = kernels::relu_active(active.data[k]) ? delta[k] : T(0);
    next.resize(n * layer.inputs);
    const MatrixView<T> out = l > 0 ? MatrixView<T>{next.data(), n, layer.inputs} : gradients;
    gemm<T>(Op::none, Op::none, 1, {delta.data(), n, layer.outputs}, layer.matrix(), 0, out);
    delta.swap(next);
  }
  if (depth() == 0) std::copy(delta.begin(), delta.end(), gradients.data);
}

template <class T>
void DenseNetwork<T>::values(MatrixView<const T> points, MatrixView<T> values) const {
  parallel_for(points.rows, rows_a_block, [&](std::size_t begin, std::size_t end) {
    Activations hidden(*this, end - begin);
    const MatrixView<const T> block = points.row_range(begin, end);
    forward(block, hidden);
    apply<T>(layers_.back(), depth() > 0 ? MatrixView<const T>(hidden.layer(depth() - 1)) : block,
             values.row_range(begin, end));
  });
}

template <class T>
void DenseNetwork<T>::values_and_gradients(MatrixView<const T> points, std::size_t output, Span<T> values,
                                           MatrixView<T> gradients) const {
  check_output(output);
  parallel_for(points.rows, rows_a_block, [&](std::size_t begin, std::size_t end) {
    Activations hidden(*this, end - begin);
    const MatrixView<const T> block = points.row_range(begin, end);
    forward(block, hidden);
    const Span<T> out{values.data + begin, end - begin};
    std::fill(out.begin(), out.end(), layers_.back().bias[output]);
    gemv<T>(Op::none, 1, depth() > 0 ? MatrixView<const T>(hidden.layer(depth() - 1)) : block,
            layers_.back().matrix().row(output), 1, out);
    backward(hidden, output, gradients.row_range(begin, end));
  });
}

template <class T>
void DenseNetwork<T>::pattern_gradients(MatrixView<const std::uint8_t> patterns, std::size_t output,
                                        MatrixView<T> gradients) const {
  check_output(output);
  parallel_for(patterns.rows, rows_a_block, [&](std::size_t begin, std::size_t end) {
    if (depth() == 1)
      return pattern_gradients_one_layer(patterns.row_range(begin, end), output,
                                         gradients.row_range(begin, end));
    Activations hidden(*this, end - begin);
    hidden.set_patterns(patterns.row_range(begin, end));
    backward(hidden, output, gradients.row_range(begin, end));
  });
}

// Along a line patterns that follow each other differ in a unit or two: a row is the row before, plus w_i a_i
// of the units that were switched on, minus that of those switched off.
template <class T>
void DenseNetwork<T>::pattern_gradients_one_layer(MatrixView<const std::uint8_t> patterns, std::size_t output,
                                                  MatrixView<T> gradients) const {
  const MatrixView<const T> rows = layers_[0].matrix();
  const Span<const T> w = layers_[1].matrix().row(output);
  const std::size_t d = rows.cols;
  for (std::size_t i = 0; i < patterns.rows; ++i) {
    T* g = gradients.row(i).data;
    if (i == 0)
      std::fill_n(g, d, T(0));
    else
      std::copy_n(gradients.row(i - 1).data, d, g);
    for (std::size_t k = 0; k < rows.rows; ++k) {
      const int before = i == 0 ? 0 : patterns(i - 1, k), change = patterns(i, k) - before;
      if (change != 0) add_scaled(static_cast<T>(change) * w[k], rows.row(k).data, g, d);
    }
  }
}

template class DenseNetwork<float>;
template class DenseNetwork<double>;

}  // namespace divulge
