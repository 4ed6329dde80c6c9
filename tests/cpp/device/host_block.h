#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

// A block of threads (kernels/block.h) on the host.
namespace divulge::host {

// Threads that wait for each other, of a block or of a warp.
struct Group {
  unsigned size = 0, arrived = 0, generation = 0;
};

// Runs the threads of a block, one block at a time.
class Team {
 public:
  virtual ~Team() = default;
  // Until all threads of the group wait. A warp's exchange is no barrier to memory, and is none to the
  // sanitizer.
  virtual void wait(Group& group, bool orders_memory) = 0;
};

struct BlockState {
  BlockState(Team& runs_it, unsigned number_of_threads, unsigned index, unsigned count, std::size_t bytes)
      : team(runs_it),
        threads(number_of_threads),
        block(index),
        blocks(count),
        // Filled with what reads as NaN, so that memory which nobody wrote is noticed.
        shared((bytes + 7) / 8, -1),
        all{number_of_threads},
        warps(number_of_threads / 32, Group{32}),
        slots(std::size_t{2} * number_of_threads) {}

  Team& team;
  unsigned threads, block, blocks;
  std::vector<std::int64_t> shared;
  Group all;
  std::vector<Group> warps;
  std::vector<std::uint64_t> slots;  // what threads hand each other
};

class HostBlock {
 public:
  HostBlock(BlockState& state, unsigned thread) : state_(state), thread_(thread) {}

  unsigned thread() const { return thread_; }
  unsigned threads() const { return state_.threads; }
  unsigned block() const { return state_.block; }
  unsigned blocks() const { return state_.blocks; }
  unsigned char* shared() const { return reinterpret_cast<unsigned char*>(state_.shared.data()); }

  void barrier() { state_.team.wait(state_.all, true); }

  template <class T>
  T shuffle(T x, unsigned from) {
    static_assert(sizeof(T) <= sizeof(std::uint64_t));
    const std::uint64_t* slots = exchange(&x, sizeof(T));
    read(slots + from, &x, sizeof(T));
    return x;
  }

  unsigned ballot(bool bit) {
    const std::uint64_t own = bit;
    const std::uint64_t* slots = exchange(&own, sizeof own);
    unsigned bits = 0;
    for (unsigned k = 0; k < 32; ++k) {
      std::uint64_t other;
      read(slots + k, &other, sizeof other);
      bits |= static_cast<unsigned>(other) << k;
    }
    return bits;
  }

 private:
  // What the threads of the warp give, (32,). Two sets of slots take turns, so that nobody gives anew before
  // all have read.
  const std::uint64_t* exchange(const void* from, std::size_t size);
  static void read(const std::uint64_t* slot, void* to, std::size_t size);

  BlockState& state_;
  unsigned thread_, turn_ = 0;
};

}  // namespace divulge::host
