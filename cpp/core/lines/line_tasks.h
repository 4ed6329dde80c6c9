#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/lines/line_search.h"
#include "core/lines/oracle.h"
#include "core/lines/piece_store.h"

namespace divulge {

// The search on one of several lines, and the answers of its current round.
struct AnswerTask {
  AnswerTask(Span<const double> u, Span<const double> v, double tolerance, const LineSearchOptions& options)
      : origin(u), direction(v), store(u.size, tolerance), search(store, options) {}

  void gradients(const std::vector<std::size_t>& pieces, MatrixView<double> out) const;

  Span<const double> origin, direction;
  AnswerStore store;
  LineSearch search;
  std::vector<LineSample> samples;
};

// The same on a Line.
struct PatternTask {
  PatternTask(std::unique_ptr<Line> own_line, std::size_t d, double tolerance,
              const LineSearchOptions& options)
      : line(std::move(own_line)), store(*line, d, tolerance), search(store, options) {}

  void gradients(const std::vector<std::size_t>& pieces, MatrixView<double> out) const {
    store.gradients(pieces, out);
  }

  std::unique_ptr<Line> line;
  PatternStore store;
  LineSearch search;
  std::vector<LineSample> samples;
};

using AnswerTasks = std::vector<std::unique_ptr<AnswerTask>>;
using PatternTasks = std::vector<std::unique_ptr<PatternTask>>;

struct RunReport {
  long long queries = 0;
  std::string message;  // why the run ended early
};

// Runs all searches to their ends, or until `budget` queries are spent or the oracle fails. Every round is
// one batch.
RunReport run(Oracle& oracle, const AnswerTasks& tasks, long long budget);

// Runs the searches over the thread pool: each by itself, or in rounds where the budget is limited.
RunReport run(Oracle& oracle, const PatternTasks& tasks, long long budget);

}  // namespace divulge
