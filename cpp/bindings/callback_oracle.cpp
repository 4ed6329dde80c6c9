#include "bindings/callback_oracle.h"

#include <algorithm>

#include "bindings/arrays.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

double spacing(bool float32) { return float32 ? 0x1p-23 : 0x1p-52; }

// Copies an answer of n rows and, for gradients, d columns.
void copy_answer(const py::object& answer, const char* name, const std::vector<std::size_t>& shape,
                 double* out) {
  const Array<double> array = Array<double>::ensure(answer);
  if (!array) throw py::error_already_set();
  const std::vector<std::size_t> got(array.shape(), array.shape() + array.ndim());
  if (got != shape) {
    std::string expected;
    for (const std::size_t extent : shape) expected += std::to_string(extent) + ", ";
    throw OracleFailure(std::string("expected the oracle to return ") + name + " of shape (" +
                        (shape.size() == 1 ? expected.substr(0, expected.size() - 1)
                                           : expected.substr(0, expected.size() - 2)) +
                        "), got " + shape_text(array));
  }
  std::copy_n(array.data(), array.size(), out);
}

}  // namespace

CallbackOracle::CallbackOracle(py::function fn, std::size_t input_size, bool float32)
    : Oracle(input_size, spacing(float32)), fn_(std::move(fn)) {}

CallbackOracle::~CallbackOracle() {
  const py::gil_scoped_acquire acquire;
  fn_.release().dec_ref();
  error_.release().dec_ref();
}

void CallbackOracle::fail(py::error_already_set& error) {
  if (!error.matches(PyExc_Exception)) throw error;
  error_ = error.value();
  const std::string name = py::str(error.type().attr("__name__")), text = py::str(error.value());
  throw CallbackFailure(name + ": " + text,
                        std::shared_ptr<py::object>(new py::object(error.value()), [](auto* e) {
                          const py::gil_scoped_acquire acquire;
                          delete e;
                        }));
}

void CallbackOracle::answer(MatrixView<const double> points, Span<double> values,
                            MatrixView<double> gradients) {
  const py::gil_scoped_acquire acquire;
  try {
    Array<double> batch = new_array<double>(points.rows, points.cols);
    std::copy_n(points.data, points.size(), batch.mutable_data());
    const py::object result = fn_(batch);
    if (!py::isinstance<py::sequence>(result) || py::len(result) != 2)
      throw OracleFailure("expected the oracle to return (values, gradients), got " +
                          std::string(py::str(py::type::of(result).attr("__name__"))));
    const py::sequence pair(result);
    copy_answer(pair[0], "values", {points.rows}, values.data);
    copy_answer(pair[1], "gradients", {points.rows, points.cols}, gradients.data);
  } catch (py::error_already_set& error) {
    fail(error);
  }
}

}  // namespace divulge::bindings
