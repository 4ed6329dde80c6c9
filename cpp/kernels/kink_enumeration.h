#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/network_view.h"

namespace divulge::kernels {

// Every t in (low, high] at which a hidden unit of a network at hand switches on the line u + t v, in order,
// and which unit it is: also where the outputs do not notice. One block a line walks from piece to piece: in
// a piece every unit is z + s dz, the first that reaches zero switches, and its bit of the pattern is turned
// by hand, so that rounding at a kink decides nothing.
template <class T>
struct KinkEnumeration {
  static constexpr unsigned max_threads = 128;

  NetworkView<T> net;
  unsigned lines = 0, lines_a_victim = 1, max_kinks = 0;
  const T *z_u = nullptr, *z_v = nullptr;                   // (lines, h_1)
  const double *low = nullptr, *high = nullptr;             // (lines,)
  double* kink_t = nullptr;                                 // (lines, max_kinks)
  std::int32_t* unit = nullptr;                             // (lines, max_kinks), counted through the layers
  std::int32_t *kink_count = nullptr, *overflow = nullptr;  // (lines,)

  std::size_t shared_bytes() const {
    return SharedMemory::bytes<T>(4 * net.width()) + SharedMemory::bytes<double>(max_threads / warp_size) +
           SharedMemory::bytes<unsigned>(max_threads / warp_size) +
           SharedMemory::bytes<std::uint32_t>(net.pattern_words());
  }

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    SharedMemory memory(block.shared());
    Room room;
    room.a = memory.take<T>(2 * net.width());
    room.b = memory.take<T>(2 * net.width());
    room.t = memory.take<double>(max_threads / warp_size);
    room.unit = memory.take<unsigned>(max_threads / warp_size);
    room.pattern = memory.take<std::uint32_t>(net.pattern_words());
    for (unsigned i = block.block(); i < lines; i += block.blocks()) {
      block.barrier();
      walk(block, i, room);
    }
  }

 private:
  static constexpr unsigned none = ~0u;

  struct Room {
    T *a, *b;  // (2, width): sums over their slopes
    double* t;
    unsigned* unit;
    std::uint32_t* pattern;
  };

  struct Switch {
    double t;
    unsigned unit;

    DIVULGE_HD bool before(const Switch& other) const {
      return unit != none && (other.unit == none || t < other.t || (!(other.t < t) && unit < other.unit));
    }
  };

  template <class Block>
  DIVULGE_DEVICE void walk(Block& block, unsigned line, const Room& room) const {
    const std::size_t first = std::size_t{line} * max_kinks;
    unsigned found = 0;
    bool more = net.depth() > 0;
    for (double t = low[line]; more;) {
      const Switch next = first_of(block, next_switch(block, line, t, found > 0, room), room);
      more = next.unit != none && next.t <= high[line] && found < max_kinks;
      if (!more) {
        if (block.thread() == 0) overflow[line] = next.unit != none && next.t <= high[line];
        break;
      }
      if (block.thread() == 0) {
        kink_t[first + found] = next.t;
        unit[first + found] = static_cast<std::int32_t>(next.unit);
        turn(room.pattern, next.unit);
      }
      ++found;
      t = next.t;
      block.barrier();
    }
    if (block.thread() == 0) {
      kink_count[line] = static_cast<std::int32_t>(found);
      if (net.depth() == 0) overflow[line] = 0;
    }
  }

  // The bit of unit number `which`, counted through the layers.
  DIVULGE_DEVICE void turn(std::uint32_t* pattern, unsigned which) const {
    for (unsigned l = 0; which >= net.layers[l].outputs; ++l) {
      which -= net.layers[l].outputs;
      pattern += net.layer_words(l);
    }
    pattern[which / warp_size] ^= 1u << which % warp_size;
  }

  // The first switch after t among this thread's units. The pattern at t is known, or else found here.
  template <class Block>
  DIVULGE_DEVICE Switch next_switch(Block& block, unsigned line, double t, bool known, Room room) const {
    const std::size_t victim = line / lines_a_victim;
    const unsigned width = net.width(), h = net.layers[0].outputs;
    const T *u = z_u + std::size_t{line} * h, *v = z_v + std::size_t{line} * h;
    for (unsigned i = block.thread(); i < h; i += block.threads()) {
      room.a[i] = u[i] + static_cast<T>(t) * v[i];
      room.a[width + i] = v[i];
    }
    block.barrier();
    Switch best{0, none};
    unsigned before = 0;  // units of the layers before
    for (unsigned l = 0;; ++l) {
      const unsigned units = net.layers[l].outputs;
      look(block, t, known, units, before, width, room, best);
      before += units;
      room.pattern += net.layer_words(l);
      if (l + 1 == net.depth()) return best;
      next_layer(block, l + 1, victim, units, width, room);
      T* const done = room.a;
      room.a = room.b;
      room.b = done;
    }
  }

  // One layer: which of this thread's units switches first, and the layer after its ReLU.
  template <class Block>
  DIVULGE_DEVICE void look(Block& block, double t, bool known, unsigned units, unsigned before,
                           unsigned width, const Room& room, Switch& best) const {
    for (unsigned first = 0; first < units; first += block.threads()) {
      const unsigned i = first + block.thread();
      const bool in = i < units;
      const T z = in ? room.a[i] : T(0), slope = in ? room.a[width + i] : T(0);
      const bool on = in && (known ? bit(room.pattern, i) : relu_active(z));
      if (in && (on ? slope < T(0) : slope > T(0))) {
        const double when = t - static_cast<double>(z) / static_cast<double>(slope);
        const Switch own{when < t ? t : when, before + i};
        if (own.before(best)) best = own;
      }
      if (in && !on) room.a[i] = room.a[width + i] = T(0);
      const unsigned bits = block.ballot(on);
      if (!known && in && lane(block) == 0) room.pattern[i / warp_size] = bits;
    }
    block.barrier();
  }

  template <class Block>
  DIVULGE_DEVICE void next_layer(Block& block, unsigned l, std::size_t victim, unsigned from, unsigned width,
                                 const Room& room) const {
    const T *w = net.weights(l, victim), *bias = net.biases(l, victim);
    for (unsigned j = warp(block); j < net.layers[l].outputs; j += warps(block)) {
      T sum = 0, slope = 0;
      for (unsigned k = lane(block); k < from; k += warp_size) {
        sum += w[std::size_t{j} * from + k] * room.a[k];
        slope += w[std::size_t{j} * from + k] * room.a[width + k];
      }
      sum = warp_sum(block, sum);
      slope = warp_sum(block, slope);
      if (lane(block) == 0) {
        room.b[j] = sum + bias[j];
        room.b[width + j] = slope;
      }
    }
    block.barrier();
  }

  // The first over the block, for all threads.
  template <class Block>
  DIVULGE_DEVICE Switch first_of(Block& block, Switch best, const Room& room) const {
    for (unsigned lanes = warp_size / 2; lanes > 0; lanes /= 2) {
      const unsigned from = lane(block) ^ lanes;
      const double t = block.shuffle(best.t, from);
      const Switch other{t, block.shuffle(best.unit, from)};
      if (other.before(best)) best = other;
    }
    if (lane(block) == 0) {
      room.t[warp(block)] = best.t;
      room.unit[warp(block)] = best.unit;
    }
    block.barrier();
    best = {room.t[0], room.unit[0]};
    for (unsigned w = 1; w < warps(block); ++w) {
      const Switch other{room.t[w], room.unit[w]};
      if (other.before(best)) best = other;
    }
    return best;
  }
};

}  // namespace divulge::kernels
