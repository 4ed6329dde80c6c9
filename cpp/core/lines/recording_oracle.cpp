#include "core/lines/recording_oracle.h"

namespace divulge {

RecordingOracle::RecordingOracle(std::shared_ptr<Oracle> asked)
    : Oracle(asked->input_size(), asked->epsilon()), asked_(std::move(asked)) {}

void RecordingOracle::answer(MatrixView<const double> points, Span<double> values,
                             MatrixView<double> gradients) {
  asked_->query(points, values, gradients);
  const std::lock_guard<std::mutex> lock(mutex_);
  points_.insert(points_.end(), points.data, points.data + points.size());
  values_.insert(values_.end(), values.begin(), values.end());
  gradients_.insert(gradients_.end(), gradients.data, gradients.data + gradients.size());
}

}  // namespace divulge
