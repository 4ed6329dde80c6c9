#include "core/lines/kink_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/linalg/blas.h"
#include "core/lines/line_tasks.h"
#include "core/parallel/thread_pool.h"

namespace divulge {
namespace {

// Lines as the oracle sees them: rounded to float32 where it rounds its points.
struct Lines {
  std::vector<double> origins, directions;
  std::size_t count, d;

  MatrixView<const double> u() const { return {origins.data(), count, d}; }
  MatrixView<const double> v() const { return {directions.data(), count, d}; }
};

std::vector<double> as_seen(const Oracle& oracle, MatrixView<const double> x) {
  std::vector<double> copy(x.data, x.data + x.size());
  if (oracle.single_precision())
    for (double& value : copy) value = static_cast<double>(static_cast<float>(value));
  return copy;
}

double norm(Span<const double> x) { return std::sqrt(dot<double>(x, x)); }

void check(const Oracle& oracle, MatrixView<const double> origins, MatrixView<const double> directions,
           const KinkSearchOptions& options) {
  const auto fail = [](const std::string& text) { throw std::invalid_argument(text); };
  for (const MatrixView<const double>& m : {origins, directions})
    if (m.rows != origins.rows || m.cols != oracle.input_size())
      fail("expected origins and directions of shape (" + std::to_string(origins.rows) + ", " +
           std::to_string(oracle.input_size()) + "), got (" + std::to_string(m.rows) + ", " +
           std::to_string(m.cols) + ")");
  if (options.low.size() != origins.rows || options.high.size() != origins.rows)
    fail("expected " + std::to_string(origins.rows) + " t ranges, got " + std::to_string(options.low.size()));
  for (std::size_t i = 0; i < origins.rows; ++i) {
    const double low = options.low[i], high = options.high[i];
    if (!std::isfinite(low) || !std::isfinite(high) || !(low < high))
      fail("line " + std::to_string(i) + ": expected finite low < high, got " + std::to_string(low) +
           " and " + std::to_string(high));
    const double length = norm(directions.row(i));
    if (!(length > 0) || !std::isfinite(length) || !std::isfinite(norm(origins.row(i))))
      fail("line " + std::to_string(i) +
           ": expected a finite origin and a finite direction that is not zero");
  }
  if (!(options.tolerance >= 0 && options.tolerance < 1))
    fail("expected a tolerance in [0, 1), got " + std::to_string(options.tolerance));
}

// rounding: error of the oracle's values on a line, in its epsilon.
LineSearchOptions line_options(const Oracle& oracle, const Lines& lines, const KinkSearchOptions& options,
                               double rounding, std::size_t i) {
  LineSearchOptions line =
      kernels::line_options(oracle.epsilon(), oracle.single_precision(), options.tolerance, rounding);
  const double origin = norm(lines.u().row(i)), direction = norm(lines.v().row(i));
  line.low = options.low[i];
  line.high = options.high[i];
  line.scale = origin > 0 ? origin / direction : 1.0;
  return line;
}

// The pieces on a line from left to right, and which of them are to the left and right of every kink.
struct PieceOrder {
  explicit PieceOrder(const LineSearch& search) {
    if (search.has_base()) pieces.push_back(search.base().piece);
    for (const LineSearch::Kink& kink : search.kinks()) {
      if (pieces.back() != kink.left) pieces.push_back(kink.left);
      left.push_back(pieces.size() - 1);
      pieces.push_back(kink.right);
    }
  }
  std::vector<std::size_t> pieces, left;
};

// Rows first, ... of the result are this line's.
template <class Task>
void write_line(const Task& task, const Lines& lines, std::size_t i, std::size_t first,
                KinkSearchResult& result) {
  const LineSearch& search = task.search;
  if (!search.has_base()) return;
  const std::size_t d = lines.d;
  const PieceOrder order(search);
  const Buffer gradients(order.pieces.size() * d);
  const MatrixView<double> g{gradients.data(), order.pieces.size(), d};
  task.gradients(order.pieces, g);
  std::copy_n(g.data, d, &result.base_gradients[i * d]);
  result.base_values[i] = search.base().value;
  const Span<const double> u = lines.u().row(i), v = lines.v().row(i);
  for (std::size_t k = 0; k < order.left.size(); ++k) {
    const double t = search.kinks()[k].t;
    const Span<const double> left = g.row(order.left[k]), right = g.row(order.left[k] + 1);
    double* jump = result.jumps.data() + (first + k) * d;
    double offset = 0;
    for (std::size_t j = 0; j < d; ++j) {
      jump[j] = right[j] - left[j];
      offset -= jump[j] * (u[j] + t * v[j]);
    }
    result.line[first + k] = static_cast<std::int64_t>(i);
    result.t[first + k] = t;
    result.offsets[first + k] = offset;
  }
}

template <class Tasks>
void write_result(const Tasks& tasks, const Lines& lines, KinkSearchResult& result) {
  std::vector<std::size_t> first(tasks.size() + 1);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const LineSearch& search = tasks[i]->search;
    first[i + 1] = first[i] + search.kinks().size();
    result.complete_lines.push_back(search.complete());
    result.complete = result.complete && search.complete();
    for (const LineSearch::Gap& gap : search.unresolved())
      result.unresolved.push_back({i, gap.low, gap.high});
  }
  const std::size_t m = first.back();
  result.line.resize(m);
  result.t.resize(m);
  result.offsets.resize(m);
  result.jumps = Buffer(m * lines.d);
  result.base_gradients.assign(tasks.size() * lines.d, std::numeric_limits<double>::quiet_NaN());
  result.base_values.assign(tasks.size(), std::numeric_limits<double>::quiet_NaN());
  parallel_for(tasks.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) write_line(*tasks[i], lines, i, first[i], result);
  });
}

template <class Tasks>
KinkSearchResult search_all(Oracle& oracle, const Lines& lines, const Tasks& tasks, long long max_queries) {
  const long long budget = std::min(oracle.remaining(), max_queries < 0 ? Oracle::unlimited : max_queries);
  const RunReport report = run(oracle, tasks, budget);
  KinkSearchResult result;
  result.input_size = lines.d;
  result.queries = report.queries;
  result.message = report.message;
  write_result(tasks, lines, result);
  return result;
}

}  // namespace

KinkSearchResult kink_search(Oracle& oracle, MatrixView<const double> origins,
                             MatrixView<const double> directions, const KinkSearchOptions& options) {
  check(oracle, origins, directions, options);
  const Lines lines{as_seen(oracle, origins), as_seen(oracle, directions), origins.rows, origins.cols};
  const double tolerance = kernels::gradient_tolerance(oracle.single_precision(), options.tolerance);
  std::vector<std::unique_ptr<Line>> cheap = oracle.lines(lines.u(), lines.v());
  PatternTasks pattern_tasks;
  for (std::size_t i = 0; i < cheap.size(); ++i) {
    LineSearchOptions line = line_options(oracle, lines, options, 0.5, i);
    line.float32_abscissas = oracle.single_precision();
    pattern_tasks.push_back(std::make_unique<PatternTask>(std::move(cheap[i]), lines.d, tolerance, line));
  }
  if (!pattern_tasks.empty()) return search_all(oracle, lines, pattern_tasks, options.max_queries);
  AnswerTasks answer_tasks;
  const double rounding = oracle.single_precision() ? 0.5 : 4;  // that of u + t v is part of it
  for (std::size_t i = 0; i < lines.count; ++i)
    answer_tasks.push_back(std::make_unique<AnswerTask>(lines.u().row(i), lines.v().row(i), tolerance,
                                                        line_options(oracle, lines, options, rounding, i)));
  return search_all(oracle, lines, answer_tasks, options.max_queries);
}

}  // namespace divulge
