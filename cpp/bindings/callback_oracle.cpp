#include "bindings/callback_oracle.h"

#include <algorithm>

#include "bindings/arrays.h"
#include "core/parallel/thread_pool.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

double spacing(bool float32) { return float32 ? 0x1p-23 : 0x1p-52; }

// Over the thread pool, whose threads do not need the GIL.
void copy(const double* from, std::size_t n, double* to) {
  parallel_for(n, std::size_t{1} << 14,
               [&](std::size_t begin, std::size_t end) { std::copy(from + begin, from + end, to + begin); });
}

std::string extents_text(const std::vector<std::size_t>& shape) {
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
                        extents_text(shape) + ", got " + extents_text(got));
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

MatrixView<double> CallbackOracle::room(std::size_t n) {
  const py::gil_scoped_acquire acquire;
  if (room_.is_none() || room_.ref_count() > 1 || extent(py::array(room_), 0) < n)
    room_ = new_array<double>(2 * n, input_size());
  return {Array<double>(room_).mutable_data(), n, input_size()};
}

// The points as an array: of the room where they lie in it, else a copy.
py::array CallbackOracle::batch(MatrixView<const double> points) {
  const bool ours = !room_.is_none() && Array<double>(room_).data() == points.data;
  const MatrixView<double> rows = ours ? MatrixView<double>{} : room(points.rows);
  if (!ours) copy(points.data, points.size(), rows.data);
  const Array<double> base(room_);
  return py::array_t<double>({points.rows, points.cols}, base.data(), base);
}

void CallbackOracle::answer_to(MatrixView<const double> points, const Consume& consume) {
  const py::gil_scoped_acquire acquire;
  try {
    const py::object result = fn_(batch(points));
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
