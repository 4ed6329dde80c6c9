#pragma once

#include <cstddef>
#include <vector>

// Memory of the device that the tests' kernels run on; the host's where they run on the host.
namespace divulge::memory {

void* allocate(std::size_t bytes);
void release(void* memory);
void copy_to_device(void* to, const void* from, std::size_t bytes);
void copy_to_host(void* to, const void* from, std::size_t bytes);  // after all kernels queued so far

// An array there.
template <class T>
class Device {
 public:
  explicit Device(const std::vector<T>& x)
      : size_(x.size()), data_(static_cast<T*>(allocate(size_ * sizeof(T)))) {
    copy_to_device(data_, x.data(), size_ * sizeof(T));
  }
  explicit Device(std::size_t size) : Device(std::vector<T>(size)) {}
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { release(data_); }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::vector<T> get() const {
    std::vector<T> x(size_);
    copy_to_host(x.data(), data_, size_ * sizeof(T));
    return x;
  }

 private:
  std::size_t size_;
  T* data_;
};

}  // namespace divulge::memory
