#pragma once

#include "kernels/hd.h"

// What the threads of one block do together. A block offers
//   thread(), threads(), block(), blocks()   its place, threads() being a multiple of 32
//   shared()                                 memory of the block, aligned for double
//   barrier()                                all threads wait; what they wrote before is seen after
//   shuffle(x, from), ballot(bit)            among the 32 threads of a warp; order no memory
// All threads must reach the same calls. Sums are added in an order that depends on the number of threads
// alone.
namespace divulge::kernels {

constexpr unsigned warp_size = 32;

template <class Block>
DIVULGE_DEVICE unsigned lane(const Block& block) {
  return block.thread() % warp_size;
}

template <class Block>
DIVULGE_DEVICE unsigned warp(const Block& block) {
  return block.thread() / warp_size;
}

template <class Block>
DIVULGE_DEVICE unsigned warps(const Block& block) {
  return block.threads() / warp_size;
}

// The sum over the warp, to the last bit the same in all of its threads.
template <class Block, class T>
DIVULGE_DEVICE T warp_sum(Block& block, T x) {
  for (unsigned lanes = warp_size / 2; lanes > 0; lanes /= 2) x += block.shuffle(x, lane(block) ^ lanes);
  return x;
}

// The sum over the block, for all threads. scratch: one T a warp, free again after the next barrier.
template <class Block, class T>
DIVULGE_DEVICE T block_sum(Block& block, T x, T* scratch) {
  x = warp_sum(block, x);
  if (lane(block) == 0) scratch[warp(block)] = x;
  block.barrier();
  T sum = scratch[0];
  for (unsigned w = 1; w < warps(block); ++w) sum += scratch[w];
  return sum;
}

struct Prefix {
  unsigned before, total;
};

// The sum of x over the threads before this one, and over all. scratch: one number a warp, free again after
// the next barrier.
template <class Block>
DIVULGE_DEVICE Prefix block_prefix(Block& block, unsigned x, unsigned* scratch) {
  unsigned sum = x;  // of the threads of the warp up to this one
  for (unsigned step = 1; step < warp_size; step *= 2) {
    const unsigned left = block.shuffle(sum, lane(block) - (step <= lane(block) ? step : 0));
    if (step <= lane(block)) sum += left;
  }
  if (lane(block) == warp_size - 1) scratch[warp(block)] = sum;
  block.barrier();
  Prefix prefix{sum - x, 0};
  for (unsigned w = 0; w < warps(block); ++w) {
    prefix.before += w < warp(block) ? scratch[w] : 0;
    prefix.total += scratch[w];
  }
  return prefix;
}

// Cuts the block's shared memory into arrays.
class SharedMemory {
 public:
  DIVULGE_HD explicit SharedMemory(unsigned char* next) : next_(next) {}

  template <class T>
  DIVULGE_HD T* take(unsigned count) {
    T* const taken = reinterpret_cast<T*>(next_);
    next_ += bytes<T>(count);
    return taken;
  }

  // What an array takes, a multiple of 8.
  template <class T>
  DIVULGE_HD static constexpr unsigned bytes(unsigned count) {
    return (count * static_cast<unsigned>(sizeof(T)) + 7u) / 8u * 8u;
  }

 private:
  unsigned char* next_;
};

}  // namespace divulge::kernels
