// DenseNetwork on a line x = u + t v, where the first layer is z = z_u + t z_v.
#include <algorithm>
#include <cstring>

#include "core/linalg/blas.h"
#include "core/network/network.h"
#include "core/parallel/simd.h"
#include "kernels/relu.h"

namespace divulge {
namespace {

constexpr std::size_t lanes = 8;

// Vectors of the compiler's, which it turns into the instructions of each target; left to itself it makes
// branches of the loop, and half of them are guessed wrong.
template <class T>
using Lanes [[gnu::vector_size(lanes * sizeof(T))]] = T;

// By reference: how vectors are passed by value depends on the target.
template <class T, class Vector>
[[gnu::always_inline]] inline void load(const T* x, Vector& v) {
  std::memcpy(&v, x, sizeof v);
}

template <class T, class Vector>
[[gnu::always_inline]] inline T sum(const Vector& x) {
  return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

// One hidden layer at one t: kernels::relu_on_line for all units, eight at a time.
template <class T>
[[gnu::always_inline]] inline void one_layer(const T* z_u, const T* z_v, const T* w, std::size_t units, T t,
                                             T& value, T& slope, std::uint8_t* active) {
  Lanes<T> values{}, slopes{};
  std::size_t i = 0;
  for (; i + lanes <= units; i += lanes) {
    Lanes<T> change, z, weight;
    load(z_v + i, change);
    load(z_u + i, z);
    load(w + i, weight);
    z += t * change;
    const auto off = z <= T(0);
    values += weight * (off ? Lanes<T>{} : z);
    slopes += weight * (off ? Lanes<T>{} : change);
    const auto on = __builtin_convertvector(off + 1, Lanes<std::uint8_t>);
    std::memcpy(active + i, &on, lanes);
  }
  value += sum<T>(values);
  slope += sum<T>(slopes);
  for (; i < units; ++i) kernels::relu_on_line(z_u[i], z_v[i], w[i], t, value, slope, active[i]);
}

DIVULGE_SIMD void one_layer_at(const float* z_u, const float* z_v, const float* w, std::size_t units, float t,
                               float& value, float& slope, std::uint8_t* active) {
  one_layer(z_u, z_v, w, units, t, value, slope, active);
}

DIVULGE_SIMD void one_layer_at(const double* z_u, const double* z_v, const double* w, std::size_t units,
                               double t, double& value, double& slope, std::uint8_t* active) {
  one_layer(z_u, z_v, w, units, t, value, slope, active);
}

// Rows 0 .. m-1 hold pre-activations z, rows m .. 2m-1 their slopes dz. Both become those after the ReLU.
template <class T>
void relu_and_pattern(MatrixView<T> z_and_slope, std::size_t m, MatrixView<std::uint8_t> patterns,
                      std::size_t column) {
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t k = 0; k < z_and_slope.cols; ++k) {
      const bool on = kernels::relu_active(z_and_slope(i, k));
      patterns(i, column + k) = on;
      if (!on) z_and_slope(i, k) = z_and_slope(m + i, k) = T(0);
    }
}

// x (2m, inputs) holds values over their slopes: one gemm a layer carries both (forward mode). A bias has no
// slope.
template <class T>
std::vector<T> next_layer(const Layer<T>& layer, const std::vector<T>& x, std::size_t m) {
  std::vector<T> out(2 * m * layer.outputs);
  for (std::size_t i = 0; i < m; ++i)
    std::copy(layer.bias.begin(), layer.bias.end(), &out[i * layer.outputs]);
  gemm<T>(Op::none, Op::transpose, 1, {x.data(), 2 * m, layer.inputs}, layer.matrix(), 1,
          MatrixView<T>{out.data(), 2 * m, layer.outputs});
  return out;
}

// z_u + t z_v over z_v, (2m, units).
template <class T>
std::vector<T> first_layer(Span<const T> z_u, Span<const T> z_v, Span<const T> t) {
  const std::size_t m = t.size, units = z_u.size;
  std::vector<T> x(2 * m * units);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t k = 0; k < units; ++k) {
      x[i * units + k] = z_u[k] + t[i] * z_v[k];
      x[(m + i) * units + k] = z_v[k];
    }
  return x;
}

}  // namespace

template <class T>
void DenseNetwork<T>::on_line(Span<const T> z_u, Span<const T> z_v, Span<const T> t, std::size_t output,
                              Span<T> values, Span<T> slopes, MatrixView<std::uint8_t> patterns) const {
  if (depth() > 1) return on_line_deep(z_u, z_v, t, output, values, slopes, patterns);
  for (std::size_t i = 0; i < t.size; ++i) {
    if (depth() == 0) {
      values[i] = z_u[output] + t[i] * z_v[output];
      slopes[i] = z_v[output];
    } else {
      values[i] = layers_[1].bias[output];
      slopes[i] = T(0);
      one_layer_at(z_u.data, z_v.data, layers_[1].matrix().row(output).data, layers_[0].outputs, t[i],
                   values[i], slopes[i], patterns.row(i).data);
    }
  }
}

template <class T>
void DenseNetwork<T>::on_line_deep(Span<const T> z_u, Span<const T> z_v, Span<const T> t, std::size_t output,
                                   Span<T> values, Span<T> slopes, MatrixView<std::uint8_t> patterns) const {
  const std::size_t m = t.size;
  const Layer<T>& last = layers_.back();
  std::vector<T> x = first_layer(z_u, z_v, t);
  for (std::size_t l = 0, column = 0; l < depth(); column += layers_[l++].outputs) {
    if (l > 0) x = next_layer(layers_[l], x, m);
    relu_and_pattern<T>({x.data(), 2 * m, layers_[l].outputs}, m, patterns, column);
  }
  std::fill(values.begin(), values.end(), last.bias[output]);
  gemv<T>(Op::none, 1, {x.data(), m, last.inputs}, last.matrix().row(output), 1, values);
  gemv<T>(Op::none, 1, {x.data() + m * last.inputs, m, last.inputs}, last.matrix().row(output), 0, slopes);
}

template <class T>
void DenseNetwork<T>::values_and_slopes_on_line(Span<const T> u, Span<const T> v, Span<const T> t,
                                                std::size_t output, Span<T> values, Span<T> slopes) const {
  check_output(output);
  const Layer<T>& layer = layers_.front();
  std::vector<T> z_u = layer.bias, z_v(layer.outputs);
  gemv<T>(Op::none, 1, layer.matrix(), u, 1, Span<T>{z_u.data(), z_u.size()});
  gemv<T>(Op::none, 1, layer.matrix(), v, 0, Span<T>{z_v.data(), z_v.size()});
  std::vector<std::uint8_t> patterns(t.size * hidden_units());
  on_line({z_u.data(), z_u.size()}, {z_v.data(), z_v.size()}, t, output, values, slopes,
          {patterns.data(), t.size, hidden_units()});
}

#define DIVULGE_INSTANTIATE(T)                                                                              \
  template void DenseNetwork<T>::on_line(Span<const T>, Span<const T>, Span<const T>, std::size_t, Span<T>, \
                                         Span<T>, MatrixView<std::uint8_t>) const;                          \
  template void DenseNetwork<T>::values_and_slopes_on_line(Span<const T>, Span<const T>, Span<const T>,     \
                                                           std::size_t, Span<T>, Span<T>) const;
DIVULGE_INSTANTIATE(float)
DIVULGE_INSTANTIATE(double)
#undef DIVULGE_INSTANTIATE

}  // namespace divulge
