#include "core/network/network_oracle.h"

#include <algorithm>
#include <string>
#include <type_traits>

#include "core/linalg/blas.h"

namespace divulge {
namespace {

template <class T, class View>
std::vector<T> converted(View x) {
  return std::vector<T>(x.data, x.data + x.size());
}

// Calls body with a view of element type T in place of `out`, copying only where T is another type.
template <class T, class Body>
void write_as(MatrixView<double> out, Body body) {
  if constexpr (std::is_same_v<T, double>) {
    body(out);
  } else {
    std::vector<T> copy(out.size());
    body(MatrixView<T>{copy.data(), out.rows, out.cols});
    std::copy(copy.begin(), copy.end(), out.data);
  }
}

template <class T>
class NetworkLine : public Line {
 public:
  NetworkLine(std::shared_ptr<const DenseNetwork<T>> network, std::size_t output, const T* z_u, const T* z_v)
      : network_(std::move(network)), output_(output) {
    const std::size_t width = network_->layer(0).outputs;
    z_.assign(z_u, z_u + width);
    z_.insert(z_.end(), z_v, z_v + width);
  }

  std::size_t pattern_size() const override { return network_->hidden_units(); }

  void evaluate(Span<const double> t, Span<double> values, Span<double> slopes,
                MatrixView<std::uint8_t> patterns) override {
    const std::size_t width = z_.size() / 2;
    const Span<const T> z_u{z_.data(), width}, z_v{z_.data() + width, width};
    if constexpr (std::is_same_v<T, double>) {
      network_->on_line(z_u, z_v, t, output_, values, slopes, patterns);
    } else {
      buffer_.resize(3 * t.size);
      const Span<T> own_t{buffer_.data(), t.size}, f{own_t.end(), t.size}, s{f.end(), t.size};
      std::copy(t.begin(), t.end(), own_t.begin());
      network_->on_line(z_u, z_v, own_t, output_, f, s, patterns);
      std::copy(f.begin(), f.end(), values.begin());
      std::copy(s.begin(), s.end(), slopes.begin());
    }
  }

  void gradients(MatrixView<const std::uint8_t> patterns, MatrixView<double> gradients) const override {
    write_as<T>(gradients, [&](MatrixView<T> out) { network_->pattern_gradients(patterns, output_, out); });
  }

 private:
  std::shared_ptr<const DenseNetwork<T>> network_;
  std::size_t output_;
  std::vector<T> z_;       // z_u, then z_v
  std::vector<T> buffer_;  // t, values and slopes in T
};

}  // namespace

template <class T>
NetworkOracle<T>::NetworkOracle(std::shared_ptr<const DenseNetwork<T>> network, std::size_t output)
    : AnyNetworkOracle(network->input_size(), static_cast<double>(std::numeric_limits<T>::epsilon())),
      network_(std::move(network)),
      output_(output) {
  if (output_ >= network_->output_size())
    throw std::invalid_argument("expected an output below " + std::to_string(network_->output_size()) +
                                ", got " + std::to_string(output_));
}

template <class T>
void NetworkOracle<T>::answer(MatrixView<const double> points, Span<double> values,
                              MatrixView<double> gradients) {
  if constexpr (std::is_same_v<T, double>) {
    network_->values_and_gradients(points, output_, values, gradients);
  } else {
    const std::vector<T> x = converted<T>(points);
    const MatrixView<double> column{values.data, values.size, 1};
    write_as<T>(column, [&](MatrixView<T> f) {
      write_as<T>(gradients, [&](MatrixView<T> g) {
        network_->values_and_gradients({x.data(), points.rows, points.cols}, output_, Span<T>{f.data, f.rows},
                                       g);
      });
    });
  }
}

template <class T>
std::vector<std::unique_ptr<Line>> NetworkOracle<T>::lines(MatrixView<const double> origins,
                                                           MatrixView<const double> directions) const {
  const Layer<T>& layer = network_->layer(0);
  const std::size_t count = origins.rows, width = layer.outputs;
  std::vector<T> x = converted<T>(origins), z(2 * count * width);
  x.insert(x.end(), directions.data, directions.data + directions.size());
  for (std::size_t i = 0; i < count; ++i) std::copy(layer.bias.begin(), layer.bias.end(), &z[i * width]);
  gemm<T>(Op::none, Op::transpose, 1, {x.data(), 2 * count, layer.inputs}, layer.matrix(), 1,
          MatrixView<T>{z.data(), 2 * count, width});
  std::vector<std::unique_ptr<Line>> lines;
  lines.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    lines.push_back(
        std::make_unique<NetworkLine<T>>(network_, output_, &z[i * width], &z[(count + i) * width]));
  return lines;
}

template class NetworkOracle<float>;
template class NetworkOracle<double>;

}  // namespace divulge
