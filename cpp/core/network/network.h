#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/linalg/matrix.h"

namespace divulge {

// x -> W x + b, with W (outputs, inputs).
template <class T>
struct Layer {
  std::size_t inputs = 0, outputs = 0;
  std::vector<T> weight, bias;

  MatrixView<const T> matrix() const { return {weight.data(), outputs, inputs}; }
};

// A chain of linear layers with a ReLU between each two and none after the last. At exactly 0 a ReLU is
// inactive. Points are worked through in blocks of rows of one fixed size, so answers do not depend on the
// number of threads.
template <class T>
class DenseNetwork {
 public:
  // Throws std::invalid_argument when there is no layer or the layers do not fit together.
  explicit DenseNetwork(std::vector<Layer<T>> layers);

  std::size_t input_size() const { return layers_.front().inputs; }
  std::size_t output_size() const { return layers_.back().outputs; }
  std::size_t depth() const { return layers_.size() - 1; }  // hidden layers
  std::size_t hidden_units() const;                         // of all hidden layers together
  const Layer<T>& layer(std::size_t i) const { return layers_[i]; }

  // points (n, d), values (n, K).
  void values(MatrixView<const T> points, MatrixView<T> values) const;

  // points (n, d), values (n,), gradients (n, d) of one output.
  void values_and_gradients(MatrixView<const T> points, std::size_t output, Span<T> values,
                            MatrixView<T> gradients) const;

  // The gradients (n, d) of one output in the linear pieces whose activation patterns (n, hidden_units) are
  // given: one byte a unit, 1 where active, layer after layer.
  void pattern_gradients(MatrixView<const std::uint8_t> patterns, std::size_t output,
                         MatrixView<T> gradients) const;

  // Values and slopes (m,) of one output at u + t v, and the activation patterns there (m, hidden_units).
  // z_u = W u + b and z_v = W v of the first layer are given, so a point costs nothing that grows with d.
  void on_line(Span<const T> z_u, Span<const T> z_v, Span<const T> t, std::size_t output, Span<T> values,
               Span<T> slopes, MatrixView<std::uint8_t> patterns) const;

  // The same from u (d,) and v (d,), without the patterns.
  void values_and_slopes_on_line(Span<const T> u, Span<const T> v, Span<const T> t, std::size_t output,
                                 Span<T> values, Span<T> slopes) const;

 private:
  class Activations;

  void check_output(std::size_t output) const;
  void forward(MatrixView<const T> points, Activations& hidden) const;
  void on_line_deep(Span<const T> z_u, Span<const T> z_v, Span<const T> t, std::size_t output, Span<T> values,
                    Span<T> slopes, MatrixView<std::uint8_t> patterns) const;
  void pattern_gradients_one_layer(MatrixView<const std::uint8_t> patterns, std::size_t output,
                                   MatrixView<T> gradients) const;
  void backward(const Activations& hidden, std::size_t output, MatrixView<T> gradients) const;

  std::vector<Layer<T>> layers_;
};

}  // namespace divulge
