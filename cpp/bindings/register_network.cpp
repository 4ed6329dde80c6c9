#include <pybind11/stl.h>

#include <memory>

#include "bindings/arrays.h"
#include "bindings/register.h"
#include "core/network/network.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

template <class T>
Layer<T> layer(const Array<T>& weight, const Array<T>& bias) {
  check_ndim(weight, 2, "a weight", "(out, in)");
  check_ndim(bias, 1, "a bias", "(out,)");
  Layer<T> layer;
  layer.outputs = extent(weight, 0);
  layer.inputs = extent(weight, 1);
  layer.weight.assign(weight.data(), weight.data() + weight.size());
  layer.bias.assign(bias.data(), bias.data() + bias.size());
  return layer;
}

template <class T>
std::shared_ptr<DenseNetwork<T>> network(const std::vector<Array<T>>& weights,
                                         const std::vector<Array<T>>& biases) {
  if (weights.size() != biases.size())
    throw std::invalid_argument("expected as many biases as weights (" + std::to_string(weights.size()) +
                                "), got " + std::to_string(biases.size()));
  std::vector<Layer<T>> layers;
  for (std::size_t i = 0; i < weights.size(); ++i) layers.push_back(layer(weights[i], biases[i]));
  return std::make_shared<DenseNetwork<T>>(std::move(layers));
}

template <class T>
void check_points(const DenseNetwork<T>& self, const Array<T>& points) {
  if (points.ndim() != 2 || extent(points, 1) != self.input_size())
    throw std::invalid_argument("expected points of shape (n, " + std::to_string(self.input_size()) +
                                "), got " + shape_text(points));
}

template <class T>
std::vector<std::size_t> hidden_sizes(const DenseNetwork<T>& self) {
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < self.depth(); ++i) sizes.push_back(self.layer(i).outputs);
  return sizes;
}

template <class T>
Array<T> values(const DenseNetwork<T>& self, const Array<T>& points) {
  check_points(self, points);
  Array<T> out = new_array<T>(extent(points, 0), self.output_size());
  const MatrixView<T> out_view = view(out);
  const py::gil_scoped_release release;
  self.values(matrix(points, "points"), out_view);
  return out;
}

template <class T>
py::tuple values_and_gradients(const DenseNetwork<T>& self, const Array<T>& points, std::size_t output) {
  check_points(self, points);
  Array<T> f = new_array<T>(extent(points, 0)), g = new_array<T>(extent(points, 0), self.input_size());
  {
    const Span<T> f_view = span(f);
    const MatrixView<T> g_view = view(g);
    const py::gil_scoped_release release;
    self.values_and_gradients(matrix(points, "points"), output, f_view, g_view);
  }
  return py::make_tuple(f, g);
}

template <class T>
py::tuple values_and_slopes_on_line(const DenseNetwork<T>& self, const Array<T>& u, const Array<T>& v,
                                    const Array<T>& t, std::size_t output) {
  for (const Array<T>& x : {u, v})
    if (x.ndim() != 1 || extent(x, 0) != self.input_size())
      throw std::invalid_argument("expected u and v of shape (" + std::to_string(self.input_size()) +
                                  ",), got " + shape_text(x));
  const Span<const T> abscissas = vector(t, "t");
  Array<T> f = new_array<T>(abscissas.size), s = new_array<T>(abscissas.size);
  self.values_and_slopes_on_line(vector(u, "u"), vector(v, "v"), abscissas, output, span(f), span(s));
  return py::make_tuple(f, s);
}

template <class T>
void register_network_as(py::module_& m, const char* name) {
  using Network = DenseNetwork<T>;
  py::class_<Network, std::shared_ptr<Network>>(m, name)
      .def(py::init(&network<T>), py::arg("weights"), py::arg("biases"))
      .def_property_readonly("input_size", &Network::input_size)
      .def_property_readonly("output_size", &Network::output_size)
      .def_property_readonly("hidden_sizes", &hidden_sizes<T>)
      .def("values", &values<T>, py::arg("points"))
      .def("values_and_gradients", &values_and_gradients<T>, py::arg("points"), py::arg("output"))
      .def("values_and_slopes_on_line", &values_and_slopes_on_line<T>, py::arg("u"), py::arg("v"),
           py::arg("t"), py::arg("output"));
}

}  // namespace

void register_network(py::module_& m) {
  register_network_as<float>(m, "DenseNetwork32");
  register_network_as<double>(m, "DenseNetwork64");
}

}  // namespace divulge::bindings
