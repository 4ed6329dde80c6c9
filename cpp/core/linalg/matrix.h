#pragma once

#include <cstddef>
#include <type_traits>

namespace divulge {

namespace detail {
template <class From, class To>
using EnableAddConst = std::enable_if_t<std::is_same_v<To, const From>>;
}

// A view of `size` contiguous elements; owns nothing.
template <class T>
struct Span {
  T* data = nullptr;
  std::size_t size = 0;

  T& operator[](std::size_t i) const { return data[i]; }
  T* begin() const { return data; }
  T* end() const { return data + size; }

  template <class U, class = detail::EnableAddConst<T, U>>
  operator Span<U>() const {
    return {data, size};
  }
};

// A row-major view of (rows, cols) contiguous elements; owns nothing.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;

  std::size_t size() const { return rows * cols; }
  T& operator()(std::size_t i, std::size_t j) const { return data[i * cols + j]; }
  Span<T> row(std::size_t i) const { return {data + i * cols, cols}; }

  // Rows begin, ..., end - 1.
  MatrixView row_range(std::size_t begin, std::size_t end) const {
    return {data + begin * cols, end - begin, cols};
  }

  template <class U, class = detail::EnableAddConst<T, U>>
  operator MatrixView<U>() const {
    return {data, rows, cols};
  }
};

// Read-only arguments of templates whose T is deduced from the output: gemm(..., c) takes a MatrixView<T> for
// a too.
template <class T>
using Input = std::common_type_t<T>;
template <class T>
using ConstSpan = Span<const Input<T>>;
template <class T>
using ConstMatrix = MatrixView<const Input<T>>;

}  // namespace divulge
