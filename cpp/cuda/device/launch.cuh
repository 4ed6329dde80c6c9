#pragma once

#include <stdexcept>
#include <string>

#include "device/block.cuh"
#include "kernels/launch.h"

namespace divulge {

inline void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
}

// Makes a device the current one, and puts back what was.
class OnDevice {
 public:
  explicit OnDevice(int device) : device_(device) {
    check(cudaGetDevice(&before_));
    if (before_ != device_) check(cudaSetDevice(device_));
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() {
    if (before_ != device_) cudaSetDevice(before_);
  }

 private:
  int device_, before_ = 0;
};

template <class Kernel>
__global__ void __launch_bounds__(Kernel::max_threads, 1) run(const Kernel kernel) {
  CudaBlock block;
  kernel(block);
}

// More than 48 KiB have to be asked for.
template <class Kernel>
void allow_shared(std::size_t bytes) {
  if (bytes > 48 * 1024)
    check(cudaFuncSetAttribute(run<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(bytes)));
}

template <class Kernel>
void launch(const Kernel& kernel, const Grid& grid, const Stream& stream) {
  if (grid.blocks == 0) return;
  const OnDevice guard(stream.device);
  allow_shared<Kernel>(grid.shared);
  run<<<grid.blocks, grid.threads, grid.shared, static_cast<cudaStream_t>(stream.handle)>>>(kernel);
  check(cudaGetLastError());
}

template <class Kernel>
unsigned resident_blocks(unsigned threads, std::size_t shared, int device) {
  const OnDevice guard(device);
  allow_shared<Kernel>(shared);
  int blocks = 0, processors = 0;
  check(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, run<Kernel>, static_cast<int>(threads), shared));
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));
  return static_cast<unsigned>(blocks * processors);
}

}  // namespace divulge
