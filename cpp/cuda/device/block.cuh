#pragma once

#include "kernels/block.h"

// A block of a CUDA device; see kernels/block.h.
namespace divulge {

class CudaBlock {
 public:
  __device__ unsigned thread() const { return threadIdx.x; }
  __device__ unsigned threads() const { return blockDim.x; }
  __device__ unsigned block() const { return blockIdx.x; }
  __device__ unsigned blocks() const { return gridDim.x; }

  __device__ unsigned char* shared() const {
    extern __shared__ double memory[];
    return reinterpret_cast<unsigned char*>(memory);
  }

  __device__ void barrier() { __syncthreads(); }

  template <class T>
  __device__ T shuffle(T x, unsigned from) {
    return __shfl_sync(0xffffffffu, x, static_cast<int>(from));
  }

  __device__ unsigned ballot(bool bit) { return __ballot_sync(0xffffffffu, bit); }
};

}  // namespace divulge
