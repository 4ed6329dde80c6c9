#include "core/lines/recording_oracle.h"

#include <algorithm>

namespace divulge {

RecordingOracle::RecordingOracle(std::shared_ptr<Oracle> asked, long long budget)
    : Oracle(asked->input_size(), asked->epsilon()), asked_(std::move(asked)), left_(budget) {}

void RecordingOracle::answer(MatrixView<const double> points, Span<double> values,
                             MatrixView<double> gradients) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::size_t n = std::min(points.rows, static_cast<std::size_t>(left_));
  if (n > 0) ask(points.row_range(0, n), {values.data, n}, gradients.row_range(0, n));
  if (n < points.rows) throw BudgetExhausted("the budget of queries is spent");
}

void RecordingOracle::ask(MatrixView<const double> points, Span<double> values,
                          MatrixView<double> gradients) {
  asked_->query(points, values, gradients);
  if (left_ != unlimited) left_ -= static_cast<long long>(points.rows);
  points_.insert(points_.end(), points.data, points.data + points.size());
  values_.insert(values_.end(), values.begin(), values.end());
  gradients_.insert(gradients_.end(), gradients.data, gradients.data + gradients.size());
}

}  // namespace divulge
