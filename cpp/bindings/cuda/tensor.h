#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/launch.h"

// Tensors of PyTorch as memory: Python has checked dtype and device, and keeps them alive.
namespace divulge::bindings {

namespace py = pybind11;

// The memory of a contiguous tensor of `count` numbers. None is null.
template <class T>
T* memory(const py::handle& tensor, std::size_t count, const char* name) {
  if (tensor.is_none()) return nullptr;
  const auto numbers = tensor.attr("numel")().cast<std::size_t>();
  const auto bytes = tensor.attr("element_size")().cast<std::size_t>();
  if (numbers != count || bytes != sizeof(T) || !tensor.attr("is_contiguous")().cast<bool>())
    throw std::invalid_argument(std::string("expected ") + name + ": " + std::to_string(count) +
                                " numbers of " + std::to_string(sizeof(T)) + " bytes together, got " +
                                std::to_string(numbers) + " of " + std::to_string(bytes));
  return reinterpret_cast<T*>(tensor.attr("data_ptr")().cast<std::uintptr_t>());
}

inline std::size_t numel(const py::handle& tensor) { return tensor.attr("numel")().cast<std::size_t>(); }

inline std::size_t extent(const py::handle& tensor, int axis) {
  return tensor.attr("size")(axis).cast<std::size_t>();
}

inline bool single(const py::handle& tensor) { return tensor.attr("element_size")().cast<int>() == 4; }

// stream: torch.cuda.Stream.cuda_stream
inline Stream stream_of(std::uintptr_t stream, int device) {
  return {reinterpret_cast<void*>(stream), device};
}

void register_masked(py::module_& m);
void register_kinks(py::module_& m);
void register_curvature(py::module_& m);

}  // namespace divulge::bindings
