#pragma once

#include <cstddef>
#include <memory>

namespace divulge {

// Memory that is not cleared when it is allocated.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : data_(new double[size]) {}
  double* data() const { return data_.get(); }

 private:
  std::unique_ptr<double[]> data_;
};

}  // namespace divulge
