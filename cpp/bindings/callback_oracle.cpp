#include "bindings/callback_oracle.h"

#include <algorithm>

#include "bindings/arrays.h"
#include "core/thread_pool.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

double spacing(bool float32) { return float32 ? 0x1p-23 : 0x1p-52; }

// Over the thread pool, whose threads do not need the GIL.
void copy(const double* from, std::size_t n, double* to) {
  parallel_for(n, std::size_t{1} << 14,
               [&](std::size_t begin, std::size_t end) { std::copy(from + begin, from + end, to + begin); });
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text;
  for (const std::size_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "(" + text + (shape.size() == 1 ? ",)" : ")");
}

// An answer as a float64 array of the given shape.
Array<double> answer_array(const py::object& answer, const char* name,
                           const std::vector<std::size_t>& shape) {
  Array<double> array = Array<double>::ensure(answer);
  if (!array) throw py::error_already_set();
  const std::vector<std::size_t> got(array.shape(), array.shape() + array.ndim());
  if (got != shape)
    throw OracleFailure(std::string("expected the oracle to return ") + name + " of shape " +
                        shape_text(shape) + ", got " + shape_text(got));
  return array;
}

}  // namespace

CallbackOracle::CallbackOracle(py::function fn, std::size_t input_size, bool float32)
    : Oracle(input_size, spacing(float32)), fn_(std::move(fn)) {}

CallbackOracle::~CallbackOracle() {
  const py::gil_scoped_acquire acquire;
  fn_.release().dec_ref();
  room_.release().dec_ref();
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

// An array (rows, d), in the memory of the last one unless somebody still refers to that.
py::array CallbackOracle::batch_room(std::size_t rows) {
  const std::size_t d = input_size();
  if (room_.is_none() || room_.ref_count() > 1 || extent(py::array(room_), 0) < rows)
    room_ = new_array<double>(2 * rows, d);
  const Array<double> room(room_);
  return py::array_t<double>({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(d)}, room.data(),
                             room);
}

void CallbackOracle::answer_to(MatrixView<const double> points, const Consume& consume) {
  const py::gil_scoped_acquire acquire;
  try {
    py::array batch = batch_room(points.rows);
    copy(points.data, points.size(), static_cast<double*>(batch.mutable_data()));
    const py::object result = fn_(std::move(batch));
    if (!py::isinstance<py::sequence>(result) || py::len(result) != 2)
      throw OracleFailure("expected the oracle to return (values, gradients), got " +
                          std::string(py::str(py::type::of(result).attr("__name__"))));
    const py::sequence pair(result);
    const Array<double> values = answer_array(pair[0], "values", {points.rows});
    const Array<double> gradients = answer_array(pair[1], "gradients", {points.rows, points.cols});
    consume({values.data(), points.rows}, {gradients.data(), points.rows, points.cols});
  } catch (py::error_already_set& error) {
    fail(error);
  }
}

void CallbackOracle::answer(MatrixView<const double> points, Span<double> values,
                            MatrixView<double> gradients) {
  answer_to(points, [&](Span<const double> f, MatrixView<const double> g) {
    copy(f.data, f.size, values.data);
    copy(g.data, g.size(), gradients.data);
  });
}

}  // namespace divulge::bindings
