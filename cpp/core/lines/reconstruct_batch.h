#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/linalg/matrix.h"
#include "core/lines/oracle.h"

namespace divulge {

// A copy of f(x) = c0 + sum_i w_i max(a_i.x + b_i, 0) in canonical form: |a_i| = 1.
struct OneLayerCopy {
  std::size_t input_size = 0;
  std::vector<double> rows;            // (h, d): a_i
  std::vector<double> offsets;         // (h,): b_i
  std::vector<double> output_weights;  // (h,): w_i; NaN where the signs could not be found
  double output_bias = 0;              // c0
  double certificate = 0;  // largest relative error on fresh random queries; NaN when none were asked
  long long queries = 0;
  bool clean = false;  // everything was found and the certificate is down to rounding errors
  std::string status;  // "clean", or why not

  std::size_t hidden_units() const { return offsets.size(); }
};

// Reconstructs many victims with one hidden layer of at most d units each, one task a victim on the thread
// pool. Random lines u + t v, u and v standard normal numbers from the counter-based stream (seed, victim,
// line), are searched for kinks with |t| <= 1e4, one line a victim unless fresh queries show that units are
// missing. max_queries: for every victim; below 0 as many as its budget holds. Results depend on seed and
// place in the list, not on the number of threads. An oracle that fails ends its own victim only, with what
// is known.
std::vector<OneLayerCopy> reconstruct_batch(const std::vector<Oracle*>& oracles, std::uint64_t seed,
                                            long long max_queries);

}  // namespace divulge
