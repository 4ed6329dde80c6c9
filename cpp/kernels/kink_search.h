#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/line_search.h"
#include "kernels/line_values.h"

namespace divulge::kernels {

// All kinks of networks on lines x = u + t v, as core/lines/kink_search.h finds them with a NetworkOracle:
// one block a line, its open intervals in shared memory. Line i belongs to victim i / lines_a_victim. Only
// the pieces at the ends of intervals are kept, with their activation patterns.
template <class T>
struct KinkSearch {
  static constexpr unsigned max_threads = 128;
  static constexpr unsigned shared_open = 96;  // open intervals in shared memory, the rest in the workspace

  NetworkView<T> net;
  unsigned output = 0, lines = 0, lines_a_victim = 1;
  unsigned max_kinks = 0;                                             // of a line
  const T *z_u = nullptr, *z_v = nullptr;                             // (lines, h_1)
  const double *low = nullptr, *high = nullptr, *scale = nullptr;     // (lines,)
  LineSearchOptions options;                                          // the rest of them
  double tolerance = 0;                                               // of gradients
  unsigned char* workspace = nullptr;                                 // (blocks, workspace_bytes())
  double* kink_t = nullptr;                                           // (lines, max_kinks)
  double* gaps = nullptr;                                             // (lines, max_kinks, 2)
  double* base_values = nullptr;                                      // (lines,)
  std::uint32_t *left_patterns = nullptr, *right_patterns = nullptr;  // (lines, max_kinks, words)
  std::uint32_t* base_patterns = nullptr;                             // (lines, words)
  std::int32_t *kink_count = nullptr, *gap_count = nullptr, *overflow = nullptr;  // (lines,)
  std::int64_t* queries = nullptr;                                                // (lines,)

  DIVULGE_HD unsigned max_open() const { return max_kinks + 2 * first_intervals; }
  DIVULGE_HD unsigned max_pieces() const { return max_kinks + 2 * first_intervals; }

  std::size_t shared_bytes() const {
    return 2 * shared_open * sizeof(Open) + SharedMemory::bytes<double>(max_threads / warp_size) +
           SharedMemory::bytes<double>(first_intervals + 2) + SharedMemory::bytes<T>(4 * net.width());
  }

  // Of one block.
  DIVULGE_HD std::size_t workspace_bytes() const {
    const std::size_t words = net.pattern_words();
    return 2 * max_open() * sizeof(Open) + max_kinks * sizeof(Kink) +
           ((max_open() + max_pieces()) * words * sizeof(std::uint32_t) + 15) / 16 * 16;
  }

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    for (unsigned i = block.block(); i < lines; i += block.blocks()) {
      block.barrier();
      Search search = begin(block, i);
      start(block, search);
      while (search.open > 0 && !search.full) round(block, search);
      finish(block, search);
    }
  }

 private:
  enum class Match : std::uint8_t { same, different, unclear };

  // An open interval, where it is asked, and the answer.
  struct Open {
    LineInterval interval;
    double t;
    LineSample sample;
    Side side;
    bool unclear;
  };

  struct Kink {
    double t;
    std::size_t left, right;  // pieces
  };

  // What every thread knows of its block's line.
  struct Search {
    std::size_t line, victim;
    LineRules rules;
    Open *open_shared, *open_global, *next_shared, *next_global;
    Kink* kinks;
    std::uint32_t *asked, *pieces;  // patterns
    double *sums, *first;
    T* room;  // (4 width,)
    double largest = 0;
    unsigned open = 0, found = 0, unresolved = 0, known = 0, asks = 0;
    bool full = false;

    DIVULGE_DEVICE Open& at(unsigned k) const {
      return k < shared_open ? open_shared[k] : open_global[k - shared_open];
    }
    DIVULGE_DEVICE Open& next(unsigned k) const {
      return k < shared_open ? next_shared[k] : next_global[k - shared_open];
    }
  };

  template <class Block>
  DIVULGE_DEVICE Search begin(Block& block, unsigned i) const {
    SharedMemory memory(block.shared());
    Search s;
    s.line = i;
    s.victim = i / lines_a_victim;
    s.rules.options = options;
    s.rules.options.low = low[i];
    s.rules.options.high = high[i];
    s.rules.options.scale = scale[i];
    s.open_shared = memory.take<Open>(shared_open);
    s.next_shared = memory.take<Open>(shared_open);
    s.sums = memory.take<double>(max_threads / warp_size);
    s.first = memory.take<double>(first_intervals + 2);
    s.room = memory.take<T>(4 * net.width());
    unsigned char* own = workspace + block.block() * workspace_bytes();
    s.open_global = reinterpret_cast<Open*>(own);
    s.next_global = s.open_global + max_open();
    s.kinks = reinterpret_cast<Kink*>(s.next_global + max_open());
    s.asked = reinterpret_cast<std::uint32_t*>(s.kinks + max_kinks);
    s.pieces = s.asked + std::size_t{max_open()} * net.pattern_words();
    return s;
  }

  // Answers all that is open.
  template <class Block>
  DIVULGE_DEVICE void ask(Block& block, Search& s) const {
    const unsigned words = net.pattern_words();
    const T *u = z_u + s.line * net.layers[0].outputs, *v = z_v + s.line * net.layers[0].outputs;
    const bool deep = net.depth() > 1;
    const unsigned first = deep ? 0 : warp(block), step = deep ? 1 : warps(block);
    for (unsigned k = first; k < s.open; k += step) {
      Open& open = s.at(k);
      const T at = static_cast<T>(open.t);
      std::uint32_t* pattern = s.asked + std::size_t{k} * words;
      const LineValue<T> f =
          deep ? deep_value(block, net, s.victim, output, u, v, at, pattern, s.room, s.room + 2 * net.width())
               : shallow_value(block, net, s.victim, output, u, v, at, pattern);
      if (deep ? block.thread() == 0 : lane(block) == 0)
        open.sample = {open.t, static_cast<double>(f.value), static_cast<double>(f.slope), 0};
    }
    s.asks += s.open;
    block.barrier();
    for (unsigned k = 0; k < s.open; ++k)
      s.rules.steepest = larger(s.rules.steepest, std::abs(s.at(k).sample.slope));
  }

  // Whether two gradients are the same, as far as patterns and slopes say; see PatternStore::same_gradient.
  DIVULGE_DEVICE Match match(const Search& s, const LineSample& a, const LineSample& b,
                             const std::uint32_t* of_b) const {
    if (!s.rules.on_tangent(a, b)) return Match::different;
    const unsigned words = net.pattern_words();
    const std::uint32_t* of_a = s.pieces + a.piece * words;
    bool equal = true;
    for (unsigned w = 0; w < words; ++w) equal = equal && of_a[w] == of_b[w];
    if (equal) return Match::same;
    const double slope = larger(std::abs(a.slope), std::abs(b.slope));
    const bool far = std::abs(a.slope - b.slope) > larger(1e-6, 100 * tolerance) * slope;
    return far ? Match::different : Match::unclear;
  }

  // The same where gradients have to be compared, by the whole block.
  template <class Block>
  DIVULGE_DEVICE bool same_gradient(Block& block, Search& s, const LineSample& a,
                                    const std::uint32_t* of_b) const {
    const unsigned width = net.width(), units = net.layers[0].outputs, d = net.inputs();
    T* room = s.room;
    const T* of_left =
        pass_back(block, net, s.victim, output, s.pieces + a.piece * net.pattern_words(), room, room + width);
    const T* of_right = pass_back(block, net, s.victim, output, of_b, room + 2 * width, room + 3 * width);
    const T* w = net.weights(0, s.victim);
    double left_size = 0, right_size = 0, distance = 0;
    for (unsigned j = block.thread(); j < d; j += block.threads()) {
      T g = 0, h = 0;
      for (unsigned i = 0; i < units; ++i) {
        g += of_left[i] * w[std::size_t{i} * d + j];
        h += of_right[i] * w[std::size_t{i} * d + j];
      }
      left_size += double(g) * double(g);
      right_size += double(h) * double(h);
      distance += (double(g) - double(h)) * (double(g) - double(h));
    }
    const auto whole = [&](double x) {
      block.barrier();
      return std::sqrt(block_sum(block, x, s.sums));
    };
    s.largest = larger(s.largest, larger(whole(left_size), whole(right_size)));
    return whole(distance) <= tolerance * s.largest;
  }

  template <class Block>
  DIVULGE_DEVICE bool same(Block& block, Search& s, const LineSample& a, const LineSample& b,
                           const std::uint32_t* of_b) const {
    const Match first = match(s, a, b, of_b);
    return first == Match::same || (first == Match::unclear && same_gradient(block, s, a, of_b));
  }

  // The pattern of answer k becomes that of piece number `piece`.
  DIVULGE_DEVICE void keep(const Search& s, unsigned k, std::size_t piece) const {
    const unsigned words = net.pattern_words();
    for (unsigned w = 0; w < words; ++w) s.pieces[piece * words + w] = s.asked[std::size_t{k} * words + w];
  }

  // The first answers; every thread does the same, and one writes.
  template <class Block>
  DIVULGE_DEVICE void start(Block& block, Search& s) const {
    if (block.thread() == 0) {
      const unsigned count = s.rules.start(s.first);
      for (unsigned k = 0; k < count; ++k) s.at(k).t = s.first[k];
      s.first[first_intervals + 1] = count;
    }
    block.barrier();
    s.open = static_cast<unsigned>(s.first[first_intervals + 1]);
    ask(block, s);
    const unsigned asked = s.open, words = net.pattern_words();
    LineSample left = s.at(0).sample;
    if (block.thread() == 0) {
      keep(s, 0, 0);
      base_values[s.line] = left.value;
      for (unsigned w = 0; w < words; ++w) base_patterns[s.line * words + w] = s.asked[w];
    }
    s.known = 1;
    s.open = 0;
    for (unsigned k = 1; k < asked; ++k) {
      block.barrier();
      LineSample right = s.at(k).sample;
      if (same(block, s, left, right, s.asked + std::size_t{k} * words)) {
        right.piece = left.piece;
      } else {
        right.piece = s.known++;
        if (block.thread() == 0) keep(s, k, right.piece);
        LineInterval interval;
        interval.left = left;
        interval.right = right;
        const LineDecision next = s.rules.decide(interval);
        if (block.thread() == 0) write(s, next, s.open, s.found, s.unresolved);
        s.open += next.kind == LineDecision::ask;
        s.found += next.kind == LineDecision::kink;
        s.unresolved += next.kind == LineDecision::gap;
      }
      left = right;
    }
    turn(block, s);
  }

  // Writes a decision at the place of its kind. What has no room is left out, and noticed by turn().
  DIVULGE_DEVICE void write(const Search& s, const LineDecision& next, unsigned open, unsigned found,
                            unsigned gap) const {
    if (next.kind == LineDecision::ask && open < max_open()) {
      s.next(open).interval = next.interval;
      s.next(open).t = next.t;
    } else if (next.kind == LineDecision::kink && found < max_kinks) {
      s.kinks[found] = {next.t, next.interval.left.piece, next.interval.right.piece};
    } else if (next.kind == LineDecision::gap && gap < max_kinks) {
      gaps[2 * (s.line * max_kinks + gap)] = next.interval.left.t;
      gaps[2 * (s.line * max_kinks + gap) + 1] = next.interval.right.t;
    }
  }

  // What was decided comes next.
  template <class Block>
  DIVULGE_DEVICE void turn(Block& block, Search& s) const {
    Open *shared = s.open_shared, *global = s.open_global;
    s.open_shared = s.next_shared;
    s.open_global = s.next_global;
    s.next_shared = shared;
    s.next_global = global;
    s.full = s.open > max_open() || s.found > max_kinks || s.unresolved > max_kinks || s.known > max_pieces();
    block.barrier();
  }

  // One answer for every open interval, and what it makes of it.
  template <class Block>
  DIVULGE_DEVICE void round(Block& block, Search& s) const {
    ask(block, s);
    const unsigned asked = s.open;
    bool unclear = false;
    for (unsigned k = block.thread(); k < asked; k += block.threads()) {
      look(s, k);
      unclear = unclear || s.at(k).unclear;
    }
    unsigned* const scratch = reinterpret_cast<unsigned*>(s.sums);
    if (block_prefix(block, unclear, scratch).total > 0) compare(block, s, asked);
    s.open = 0;
    for (unsigned first = 0; first < asked; first += block.threads()) {
      block.barrier();
      decide(block, s, first + block.thread(), asked, scratch);
    }
    block.barrier();
    turn(block, s);
  }

  DIVULGE_DEVICE void look(const Search& s, unsigned k) const {
    Open& open = s.at(k);
    const std::uint32_t* pattern = s.asked + std::size_t{k} * net.pattern_words();
    const Match left = match(s, open.interval.left, open.sample, pattern);
    const Match right =
        left == Match::different ? match(s, open.interval.right, open.sample, pattern) : Match::different;
    open.side = left == Match::same ? Side::left : right == Match::same ? Side::right : Side::neither;
    open.unclear = left == Match::unclear || right == Match::unclear;
  }

  template <class Block>
  DIVULGE_DEVICE void compare(Block& block, Search& s, unsigned asked) const {
    for (unsigned k = 0; k < asked; ++k) {
      block.barrier();
      const Open& open = s.at(k);
      if (!open.unclear) continue;
      const std::uint32_t* pattern = s.asked + std::size_t{k} * net.pattern_words();
      const bool left = same(block, s, open.interval.left, open.sample, pattern);
      const bool right = !left && same(block, s, open.interval.right, open.sample, pattern);
      block.barrier();
      if (block.thread() == 0) s.at(k).side = left ? Side::left : right ? Side::right : Side::neither;
    }
  }

  // A thread an interval: splits it, and writes what becomes of the parts in the order of the intervals.
  template <class Block>
  DIVULGE_DEVICE void decide(Block& block, Search& s, unsigned k, unsigned asked, unsigned* scratch) const {
    LineDecision next[2];
    unsigned parts = 0;
    bool fresh = false;
    if (k < asked) {
      const Open& open = s.at(k);
      const LineSplit split = split_interval(open.interval, open.sample, open.side);
      fresh = open.side == Side::neither;
      parts = split.count;
      for (unsigned i = 0; i < 2; ++i)
        if (i < parts) next[i] = s.rules.decide(split.parts[i]);
    }
    const auto count = [&](LineDecision::Kind kind) {
      return unsigned{parts > 0 && next[0].kind == kind} + unsigned{parts > 1 && next[1].kind == kind};
    };
    const Prefix first = block_prefix(block, count(LineDecision::ask) | unsigned{fresh} << 16, scratch);
    block.barrier();
    const unsigned ends = count(LineDecision::kink) | count(LineDecision::gap) << 16;
    const Prefix second = block_prefix(block, ends, scratch);
    unsigned open = s.open + (first.before & 0xffffu), found = s.found + (second.before & 0xffffu);
    unsigned gap = s.unresolved + (second.before >> 16);
    const std::size_t piece = s.known + (first.before >> 16);
    if (fresh) {
      if (piece < max_pieces()) keep(s, k, piece);
      next[0].interval.right.piece = next[1].interval.left.piece = piece;
    }
    for (unsigned i = 0; i < 2; ++i) {
      if (i >= parts) continue;
      write(s, next[i], open, found, gap);
      open += next[i].kind == LineDecision::ask;
      found += next[i].kind == LineDecision::kink;
      gap += next[i].kind == LineDecision::gap;
    }
    s.open += first.total & 0xffffu;
    s.known += first.total >> 16;
    s.found += second.total & 0xffffu;
    s.unresolved += second.total >> 16;
  }

  // The kinks in the order of t.
  template <class Block>
  DIVULGE_DEVICE void finish(Block& block, const Search& s) const {
    const unsigned kept = s.found < max_kinks ? s.found : max_kinks, words = net.pattern_words();
    for (unsigned k = block.thread(); k < kept; k += block.threads()) {
      const Kink kink = s.kinks[k];
      std::size_t place = s.line * max_kinks;
      for (unsigned j = 0; j < kept; ++j) place += s.kinks[j].t < kink.t || (s.kinks[j].t == kink.t && j < k);
      kink_t[place] = kink.t;
      for (unsigned w = 0; w < words; ++w) {
        left_patterns[place * words + w] = s.pieces[kink.left * words + w];
        right_patterns[place * words + w] = s.pieces[kink.right * words + w];
      }
    }
    if (block.thread() == 0) {
      kink_count[s.line] = static_cast<std::int32_t>(kept);
      gap_count[s.line] = static_cast<std::int32_t>(s.unresolved < max_kinks ? s.unresolved : max_kinks);
      overflow[s.line] = s.full;
      queries[s.line] = s.asks;
    }
  }
};

}  // namespace divulge::kernels
