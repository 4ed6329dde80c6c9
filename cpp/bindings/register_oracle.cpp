#include <algorithm>
#include <memory>

#include "bindings/arrays.h"
#include "bindings/callback_oracle.h"
#include "bindings/register.h"
#include "core/lines/recording_oracle.h"
#include "core/network/network_oracle.h"
#include "core/parallel/interrupt.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

// Ctrl-C. On threads other than Python's main one this finds nothing.
void check_signals() {
  const py::gil_scoped_acquire acquire;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

template <class T>
std::shared_ptr<AnyNetworkOracle> network_oracle(std::shared_ptr<DenseNetwork<T>> network,
                                                 std::size_t output) {
  return std::make_shared<NetworkOracle<T>>(std::move(network), output);
}

py::tuple query(Oracle& oracle, const Array<double>& points) {
  const MatrixView<const double> x = matrix(points, "points");
  Array<double> f = new_array<double>(x.rows), g = new_array<double>(x.rows, oracle.input_size());
  const Span<double> f_view = span(f);
  const MatrixView<double> g_view = view(g);
  {
    const py::gil_scoped_release release;
    oracle.query(x, f_view, g_view);
  }
  return py::make_tuple(f, g);
}

long long budget_of(const py::object& value, const char* name) {
  const long long n = value.is_none() ? Oracle::unlimited : value.cast<long long>();
  if (n < 0)
    throw std::invalid_argument(std::string("expected ") + name + " of 0 or more, or None, got " +
                                std::to_string(n));
  return n;
}

std::shared_ptr<RecordingOracle> recording_oracle(std::shared_ptr<Oracle> asked, const py::object& budget) {
  return std::make_shared<RecordingOracle>(std::move(asked), budget_of(budget, "budget"));
}

// points (n, d), values (n,), gradients (n, d) so far, copied.
py::tuple recorded(const RecordingOracle& oracle) {
  const auto copied = [](MatrixView<const double> x) {
    Array<double> out = new_array<double>(x.rows, x.cols);
    std::copy(x.data, x.data + x.size(), out.mutable_data());
    return out;
  };
  const Span<const double> f = oracle.values();
  Array<double> values = new_array<double>(f.size);
  std::copy(f.begin(), f.end(), values.mutable_data());
  return py::make_tuple(copied(oracle.points()), values, copied(oracle.gradients()));
}

py::object max_queries(const Oracle& oracle) {
  if (oracle.max_queries() == Oracle::unlimited) return py::none();
  return py::int_(oracle.max_queries());
}

void set_max_queries(Oracle& oracle, const py::object& value) {
  oracle.set_max_queries(budget_of(value, "max_queries"));
}

// An exception of a callback comes out as it went in.
void translate(std::exception_ptr exception) {
  try {
    if (exception) std::rethrow_exception(exception);
  } catch (const CallbackFailure& failure) {
    PyErr_SetObject(py::type::handle_of(*failure.error).ptr(), failure.error->ptr());
  }
}

}  // namespace

void register_oracle(py::module_& m) {
  set_interrupt_check(&check_signals);
  py::register_local_exception_translator(&translate);
  py::class_<Oracle, std::shared_ptr<Oracle>>(m, "Oracle")
      .def("query", &query, py::arg("points"))
      .def_property_readonly("input_size", &Oracle::input_size)
      .def_property_readonly("queries", &Oracle::queries)
      .def_property("max_queries", &max_queries, &set_max_queries);
  py::class_<AnyNetworkOracle, Oracle, std::shared_ptr<AnyNetworkOracle>>(m, "NetworkOracle")
      .def(py::init(&network_oracle<double>), py::arg("network"), py::arg("output") = 0)
      .def(py::init(&network_oracle<float>), py::arg("network"), py::arg("output") = 0);
  py::class_<RecordingOracle, Oracle, std::shared_ptr<RecordingOracle>>(m, "RecordingOracle")
      .def(py::init(&recording_oracle), py::arg("oracle"), py::arg("budget") = py::none())
      .def("recorded", &recorded);
  py::class_<CallbackOracle, Oracle, std::shared_ptr<CallbackOracle>>(m, "CallbackOracle")
      .def(py::init<py::function, std::size_t, bool>(), py::arg("fn"), py::arg("input_size"),
           py::arg("float32") = false)
      .def_property_readonly("last_error", &CallbackOracle::last_error);
}

}  // namespace divulge::bindings
