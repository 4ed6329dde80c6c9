#pragma once

#include <cstddef>

// How kernels are run. A kernel is a struct with its arguments, a call operator on a block of threads
// (kernels/block.h) and `max_threads`, a multiple of 32 that its registers are fitted to.
//
// The templates below are defined where kernels are instantiated: in cuda/device for a device, in no_cuda to
// say that there is none, and in the tests for the host. Kernels loop over their problems with the stride of
// blocks, so that any number of blocks gives the same results.
namespace divulge {

struct Stream {
  void* handle = nullptr;  // a cudaStream_t
  int device = 0;
};

struct Grid {
  unsigned blocks = 0;
  unsigned threads = 0;    // of a block, a multiple of 32
  std::size_t shared = 0;  // bytes of memory that a block shares
};

// Queues a kernel and returns. Throws std::runtime_error where it can not be launched. No blocks: does
// nothing.
template <class Kernel>
void launch(const Kernel& kernel, const Grid& grid, const Stream& stream);

// The number of blocks of such a kernel that the device runs at once.
template <class Kernel>
unsigned resident_blocks(unsigned threads, std::size_t shared, int device);

}  // namespace divulge
