#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/linalg/buffer.h"
#include "core/linalg/matrix.h"
#include "core/lines/oracle.h"

namespace divulge {

struct KinkSearchOptions {
  std::vector<double> low, high;  // t range of every line (L,), finite, low < high
  long long max_queries = -1;     // below 0: as many as the oracle's budget holds
  // Relative error of the oracle's answers; 0: what its precision gives, 1e-11 in gradients for float64 and
  // 4e-6 for float32, and half a spacing of its numbers in values.
  double tolerance = 0;
};

struct UnresolvedKinks {
  std::size_t line;
  double low, high;
};

// Kinks are sorted by line and then by t; m of them.
struct KinkSearchResult {
  std::size_t input_size = 0;
  std::vector<std::int64_t> line;      // (m,)
  std::vector<double> t;               // (m,)
  Buffer jumps;                        // (m, d): gradient to the right of the kink minus gradient to the left
  std::vector<double> offsets;         // (m,): jump.x + offset = 0 on the kink's hyperplane
  std::vector<double> base_gradients;  // (L, d) at `low`; NaN where no answer came
  std::vector<double> base_values;     // (L,)
  std::vector<std::uint8_t> complete_lines;  // (L,)
  std::vector<UnresolvedKinks> unresolved;   // intervals with several kinks too close to be told apart
  long long queries = 0;
  bool complete = true;  // every line is
  std::string message;   // why the search ended early; empty when it did not
};

// All kinks of a piecewise-linear function on the lines origins (L, d) + t directions (L, d), each certified
// by answers from both sides. One batch of queries a round, with one point for every open interval of every
// line; an oracle that offers Lines is asked line by line instead, over the thread pool. Lines do not
// influence each other, so that the result does not depend on the number of threads. When the oracle fails or
// the budget ends, what is known so far is returned. Throws std::invalid_argument on wrong shapes or ranges.
KinkSearchResult kink_search(Oracle& oracle, MatrixView<const double> origins,
                             MatrixView<const double> directions, const KinkSearchOptions& options);

}  // namespace divulge
