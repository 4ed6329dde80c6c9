#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "core/lines/oracle.h"

namespace divulge {

// Asks another oracle point by point, never by a shortcut along lines, and keeps every answer in the order in
// which they came. Of a batch that its budget does not cover it still asks as much as it can.
class RecordingOracle : public Oracle {
 public:
  explicit RecordingOracle(std::shared_ptr<Oracle> asked, long long budget = unlimited);

  // The answers so far: points (n, d), values (n,), gradients (n, d). Good until the next query.
  MatrixView<const double> points() const { return {points_.data(), values_.size(), input_size()}; }
  Span<const double> values() const { return {values_.data(), values_.size()}; }
  MatrixView<const double> gradients() const { return {gradients_.data(), values_.size(), input_size()}; }

 protected:
  void answer(MatrixView<const double> points, Span<double> values, MatrixView<double> gradients) override;

 private:
  void ask(MatrixView<const double> points, Span<double> values, MatrixView<double> gradients);

  std::shared_ptr<Oracle> asked_;
  long long left_;
  std::mutex mutex_;
  std::vector<double> points_, values_, gradients_;
};

}  // namespace divulge
