#include "bindings/arrays.h"
#include "bindings/register.h"
#include "core/unmask.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

// Without conversion, so that large arrays are never copied.
template <class T>
using Exact = py::array_t<T, py::array::c_style>;

// inputs (n, d), attribution (n, d), fill (d,) -> (n, d)
template <class T, class A>
Array<T> unmask_arrays(const Exact<T>& inputs, const Exact<A>& attribution, const Exact<T>& fill,
                       std::size_t count, bool top, std::size_t channels, std::uint64_t seed) {
  check_ndim(inputs, 2, "inputs", "(n, d)");
  check_ndim(attribution, 2, "an attribution", "(n, d)");
  check_ndim(fill, 1, "numbers to fill with", "(d,)");
  Array<T> out = new_array<T>(extent(inputs, 0), extent(inputs, 1));
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
