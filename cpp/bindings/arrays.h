#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "core/linalg/matrix.h"

// NumPy arrays as views of the core, and back.
namespace divulge::bindings {

template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style | pybind11::array::forcecast>;

inline std::string shape_text(const pybind11::array& a) { return pybind11::str(a.attr("shape")); }

// Throws std::invalid_argument naming `expected` when a has not ndim dimensions.
inline void check_ndim(const pybind11::array& a, pybind11::ssize_t ndim, const char* name,
                       const char* expected) {
  if (a.ndim() != ndim)
    throw std::invalid_argument(std::string("expected ") + name + " of shape " + expected + ", got " +
                                shape_text(a));
}

inline std::size_t extent(const pybind11::array& a, pybind11::ssize_t axis) {
  return static_cast<std::size_t>(a.shape(axis));
}

template <class T>
MatrixView<const T> matrix(const Array<T>& a, const char* name) {
  check_ndim(a, 2, name, "(n, d)");
  return {a.data(), extent(a, 0), extent(a, 1)};
}

template <class T>
Span<const T> vector(const Array<T>& a, const char* name) {
  check_ndim(a, 1, name, "(n,)");
  return {a.data(), extent(a, 0)};
}

template <class T>
Array<T> new_array(std::size_t n) {
  return Array<T>(static_cast<pybind11::ssize_t>(n));
}

template <class T>
Array<T> new_array(std::size_t rows, std::size_t cols) {
  return Array<T>({static_cast<pybind11::ssize_t>(rows), static_cast<pybind11::ssize_t>(cols)});
}

template <class T>
Span<T> span(Array<T>& a) {
  return {a.mutable_data(), static_cast<std::size_t>(a.size())};
}

template <class T>
MatrixView<T> view(Array<T>& a) {
  return {a.mutable_data(), extent(a, 0), extent(a, 1)};
}

// An array on memory that `owner` keeps alive.
template <class T>
pybind11::array_t<T> shared(const T* data, std::size_t n, pybind11::handle owner) {
  return pybind11::array_t<T>(static_cast<pybind11::ssize_t>(n), data, owner);
}

template <class T>
pybind11::array_t<T> shared(const T* data, std::size_t rows, std::size_t cols, pybind11::handle owner) {
  return pybind11::array_t<T>({static_cast<pybind11::ssize_t>(rows), static_cast<pybind11::ssize_t>(cols)},
                              data, owner);
}

// A property of a bound class: a member's vector as an array on the object's memory.
template <class T, class Class>
auto shared_vector(std::vector<T> Class::* member) {
  return [member](const pybind11::object& self) {
    const std::vector<T>& x = self.cast<const Class&>().*member;
    return shared(x.data(), x.size(), self);
  };
}

}  // namespace divulge::bindings
