#include "core/lines/oracle.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/linalg/blas.h"
#include "core/linalg/buffer.h"
#include "core/parallel/thread_pool.h"

namespace divulge {
namespace {

std::string text(std::size_t rows, std::size_t cols) {
  return "(" + std::to_string(rows) + ", " + std::to_string(cols) + ")";
}

void check_columns(std::size_t d, MatrixView<const double> points) {
  if (points.cols != d)
    throw std::invalid_argument("expected points of shape (n, " + std::to_string(d) + "), got " +
                                text(points.rows, points.cols));
}

void check_room(MatrixView<const double> points, Span<double> values, MatrixView<double> gradients) {
  if (values.size != points.rows || gradients.rows != points.rows || gradients.cols != points.cols)
    throw std::invalid_argument("expected room for gradients of shape " + text(points.rows, points.cols) +
                                ", got " + text(gradients.rows, gradients.cols));
}

bool all_finite(Span<const double> x) {
  if (std::isfinite(dot<double>(x, x))) return true;  // else one is not, or the sum is too large
  return std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); });
}

std::string complaint(std::size_t i, double value, Span<const double> gradient) {
  const std::string start = "answer " + std::to_string(i) + " of the oracle is not finite: ";
  if (!std::isfinite(value)) return start + "value is " + std::to_string(value);
  const double* bad =
      std::find_if(gradient.begin(), gradient.end(), [](double g) { return !std::isfinite(g); });
  return start + "gradient entry " + std::to_string(bad - gradient.begin()) + " is " + std::to_string(*bad);
}

void check_answers(Span<const double> values, MatrixView<const double> gradients) {
  std::vector<std::uint8_t> finite(values.size);
  parallel_for(values.size, 16, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      finite[i] = std::isfinite(values[i]) && all_finite(gradients.row(i));
  });
  const auto bad = std::find(finite.begin(), finite.end(), 0);
  if (bad == finite.end()) return;
  const auto i = static_cast<std::size_t>(bad - finite.begin());
  throw OracleFailure(complaint(i, values[i], gradients.row(i)));
}

}  // namespace

void Oracle::query(MatrixView<const double> points, Span<double> values, MatrixView<double> gradients) {
  check_columns(input_size_, points);
  check_room(points, values, gradients);
  if (points.rows == 0) return;
  charge(points.rows);
  answer(points, values, gradients);
  check_answers(values, gradients);
}

void Oracle::query(MatrixView<const double> points, const Consume& consume) {
  check_columns(input_size_, points);
  if (points.rows == 0) return consume({}, {nullptr, 0, input_size_});
  charge(points.rows);
  answer_to(points, [&](Span<const double> values, MatrixView<const double> gradients) {
    check_answers(values, gradients);
    consume(values, gradients);
  });
}

void Oracle::answer_to(MatrixView<const double> points, const Consume& consume) {
  const Buffer values(points.rows), gradients(points.size());
  const Span<double> f{values.data(), points.rows};
  const MatrixView<double> g{gradients.data(), points.rows, points.cols};
  answer(points, f, g);
  consume(f, g);
}

MatrixView<double> Oracle::room(std::size_t n) {
  if (n > room_rows_) room_ = Buffer((room_rows_ = 2 * n) * input_size_);
  return {room_.data(), n, input_size_};
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
