#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/linalg/matrix.h"

namespace divulge {

enum class BoostingLoss { squared, logistic, softmax, exponential, poisson };

// Throws std::invalid_argument for another name.
BoostingLoss boosting_loss(const std::string& name);

// T rounds of K trees whose splits stay. Leaf l adds -rate G_l / (H_l + l2), with G and H the sums over its
// samples of w g and w h; g and h are the loss's first and second derivative by the margin at the margins
// before the round, h times `curvature`.
struct FixedBoosting {
  BoostingLoss loss;
  double rate, l2, curvature;
  std::size_t rounds;
  MatrixView<const std::int32_t> leaves;  // (T K, n), the leaf of each sample, from 0 on in each tree
  Span<const std::int64_t> first;         // (T K + 1,), where the leaves of each tree begin among all L
  MatrixView<const double> targets;       // (n, K): numbers, 0 and 1, or one-hot
  Span<const double> weights;             // (n,)
};

// Fits all leaves anew in b columns, sample rows[j] left out of column columns[j]: values (L, b), 0 of a leaf
// that nothing is left in. Boosting begins at start (K, b). Throws std::invalid_argument on shapes that do
// not fit and numbers out of range.
void refit_boosting(const FixedBoosting& boosting, MatrixView<const double> start,
                    Span<const std::int64_t> rows, Span<const std::int64_t> columns,
                    MatrixView<double> values);

}  // namespace divulge
