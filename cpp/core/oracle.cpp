#include "core/oracle.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace divulge {
namespace {

void check_shapes(std::size_t d, MatrixView<const double> points, Span<double> values,
                  MatrixView<double> gradients) {
  const auto text = [](std::size_t rows, std::size_t cols) {
    return "(" + std::to_string(rows) + ", " + std::to_string(cols) + ")";
  };
  if (points.cols != d)
    throw std::invalid_argument("expected points of shape (n, " + std::to_string(d) + "), got " +
                                text(points.rows, points.cols));
  if (values.size != points.rows || gradients.rows != points.rows || gradients.cols != d)
    throw std::invalid_argument("expected room for gradients of shape " + text(points.rows, d) + ", got " +
                                text(gradients.rows, gradients.cols));
}

bool all_finite(Span<const double> x) {
  double zero = 0;  // stays 0 unless one is NaN or infinite
  for (const double v : x) zero += v * 0.0;
  return zero == 0.0;
}

void check_answers(Span<const double> values, MatrixView<const double> gradients) {
  for (std::size_t i = 0; i < values.size; ++i) {
    if (std::isfinite(values[i]) && all_finite(gradients.row(i))) continue;
    const auto row = gradients.row(i);
    const double* bad = std::find_if(row.begin(), row.end(), [](double g) { return !std::isfinite(g); });
    throw OracleFailure("answer " + std::to_string(i) + " of the oracle is not finite: " +
                        (std::isfinite(values[i]) ? "gradient entry " + std::to_string(bad - row.begin()) +
                                                        " is " + std::to_string(*bad)
                                                  : "value is " + std::to_string(values[i])));
  }
}

}  // namespace

void Oracle::query(MatrixView<const double> points, Span<double> values, MatrixView<double> gradients) {
  check_shapes(input_size_, points, values, gradients);
  if (points.rows == 0) return;
  charge(points.rows);
  answer(points, values, gradients);
  check_answers(values, gradients);
}

std::vector<std::unique_ptr<Line>> Oracle::lines(MatrixView<const double>, MatrixView<const double>) const {
  return {};
}

void Oracle::charge(std::size_t n) {
  const auto count = static_cast<long long>(n);
  long long before = queries_;
  do {
    if (count > max_queries_ - before)
      throw BudgetExhausted("the budget of " + std::to_string(max_queries_) + " queries is used up");
  } while (!queries_.compare_exchange_weak(before, before + count));
}

long long Oracle::remaining() const {
  return max_queries_ == unlimited ? unlimited : std::max(0LL, max_queries_ - queries_);
}

}  // namespace divulge
