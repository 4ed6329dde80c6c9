#include "bindings/arrays.h"
#include "bindings/register.h"
#include "core/rows/unmask.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

constexpr std::size_t most_kept = std::size_t{1} << 28;  // bytes

// Without conversion, so that large arrays are never copied.
template <class T>
using Exact = py::array_t<T, py::array::c_style>;

// The memory of the last output of this precision, taken again once nobody else refers to it: having the
// system map and clear new pages takes longer than unmasking. Called with the interpreter's lock.
template <class T>
Array<T> take_output(std::size_t rows, std::size_t cols) {
  static auto* const last = new py::array;  // never destroyed: the interpreter may have gone before
  const bool unused = last->ref_count() == 1 && py::isinstance<Array<T>>(*last) && last->writeable();
  if (unused && last->ndim() == 2 && extent(*last, 0) == rows && extent(*last, 1) == cols)
    return py::reinterpret_borrow<Array<T>>(*last);
  *last = py::array();
  Array<T> out = new_array<T>(rows, cols);
  if (static_cast<std::size_t>(out.nbytes()) <= most_kept) *last = out;
  return out;
}

// inputs (n, d), attribution (n, d), fill (d,) -> (n, d)
template <class T, class A>
Array<T> unmask_arrays(const Exact<T>& inputs, const Exact<A>& attribution, const Exact<T>& fill,
                       std::size_t count, bool top, std::size_t channels, std::uint64_t seed) {
  check_ndim(inputs, 2, "inputs", "(n, d)");
  check_ndim(attribution, 2, "an attribution", "(n, d)");
  check_ndim(fill, 1, "numbers to fill with", "(d,)");
  Array<T> out = take_output<T>(extent(inputs, 0), extent(inputs, 1));
  const MatrixView<const T> x{inputs.data(), extent(inputs, 0), extent(inputs, 1)};
  const MatrixView<const A> a{attribution.data(), extent(attribution, 0), extent(attribution, 1)};
  const Span<const T> f{fill.data(), extent(fill, 0)};
  const MatrixView<T> y = view(out);
  {
    const py::gil_scoped_release release;
    unmask(x, a, f, {count, top, channels, seed}, y);
  }
  return out;
}

template <class T, class A>
void define(py::module_& m) {
  m.def("unmask", &unmask_arrays<T, A>, py::arg("inputs").noconvert(), py::arg("attribution").noconvert(),
        py::arg("fill").noconvert(), py::arg("count"), py::arg("top") = true, py::arg("channels") = 1,
        py::arg("seed") = 0);
}

}  // namespace

void register_unmask(py::module_& m) {
  define<float, float>(m);
  define<float, double>(m);
  define<double, float>(m);
  define<double, double>(m);
}

}  // namespace divulge::bindings
