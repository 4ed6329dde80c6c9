#include "core/lines/line_tasks.h"

#include <algorithm>
#include <functional>

#include "core/linalg/blas.h"
#include "core/parallel/interrupt.h"
#include "core/parallel/thread_pool.h"

namespace divulge {
namespace {

constexpr std::size_t numbers_a_batch = std::size_t{1} << 22;

// Index of a wanted point: task and place in its wanted().
struct Place {
  std::size_t task, index;
};

template <class Tasks>
std::vector<Place> wanted_places(const Tasks& tasks) {
  std::vector<Place> places;
  for (std::size_t i = 0; i < tasks.size(); ++i)
    for (std::size_t k = 0; k < tasks[i]->search.wanted().size(); ++k) places.push_back({i, k});
  return places;
}

template <class Tasks>
std::string smooth_line(const Tasks& tasks) {
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const LineSearch& search = tasks[i]->search;
    if (search.looks_smooth())
      return "the function does not look piecewise linear: on line " + std::to_string(i) + " " +
             std::to_string(search.pieces()) + " different gradients and " +
             std::to_string(search.kinks().size()) + " kinks were found";
  }
  return {};
}

// Rounds of answer(places), which fills the tasks' samples in the order of places, until nothing is wanted.
template <class Tasks>
RunReport run_rounds(const Tasks& tasks, long long budget,
                     const std::function<void(const std::vector<Place>&)>& answer) {
  RunReport report;
  while (report.message.empty()) {
    check_interrupt();
    std::vector<Place> places = wanted_places(tasks);
    if (places.empty()) break;
    if (static_cast<long long>(places.size()) > budget - report.queries) {
      places.resize(static_cast<std::size_t>(budget - report.queries));
      report.message = "the budget of " + std::to_string(budget) + " queries is used up";
    }
    for (const auto& task : tasks) task->samples.clear();
    try {
      answer(places);
    } catch (const OracleFailure& failure) {
      report.message = failure.what();
    }
    for (const auto& task : tasks) report.queries += static_cast<long long>(task->samples.size());
    parallel_for(tasks.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) tasks[i]->search.take(tasks[i]->samples);
    });
    if (report.message.empty()) report.message = smooth_line(tasks);
  }
  for (const auto& task : tasks) task->search.stop();
  return report;
}

// x (d,) = u + t v, rounded to float32 where the oracle does so.
void point_on_line(const AnswerTask& task, double t, bool float32, Span<double> x) {
  for (std::size_t j = 0; j < x.size; ++j) {
    const double exact = task.origin[j] + t * task.direction[j];
    x[j] = float32 ? static_cast<double>(static_cast<float>(exact)) : exact;
  }
}

// The answer (value, g) at the point that was asked about, carried to u + t v inside its linear piece.
LineSample sample_from_answer(AnswerTask& task, double t, double value, Span<const double> g, bool float32) {
  LineSample sample{t, value, dot<double>(g, task.direction), task.store.add(g)};
  if (!float32) return sample;
  for (std::size_t j = 0; j < g.size; ++j) {
    const double exact = task.origin[j] + t * task.direction[j];
    sample.value += g[j] * (exact - static_cast<double>(static_cast<float>(exact)));
  }
  return sample;
}

// One batch: points (n, d) in the order of `places`, answers to the tasks' samples.
void answer_batch(Oracle& oracle, const AnswerTasks& tasks, Span<const Place> places) {
  const MatrixView<double> x = oracle.room(places.size);
  const bool float32 = oracle.single_precision();
  const auto t = [&](const Place& place) { return tasks[place.task]->search.wanted()[place.index]; };
  parallel_for(x.rows, 16, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      point_on_line(*tasks[places[i].task], t(places[i]), float32, x.row(i));
  });
  std::vector<std::size_t> first;  // places of one task follow each other
  for (std::size_t i = 0; i < places.size; ++i)
    if (i == 0 || places[i].task != places[i - 1].task) first.push_back(i);
  oracle.query(x, [&](Span<const double> values, MatrixView<const double> g) {
    parallel_for(first.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = first[begin]; i < (end < first.size() ? first[end] : places.size); ++i) {
        AnswerTask& task = *tasks[places[i].task];
        task.samples.push_back(sample_from_answer(task, t(places[i]), values[i], g.row(i), float32));
      }
    });
  });
}

RunReport run_each_to_its_end(Oracle& oracle, const PatternTasks& tasks) {
  std::vector<long long> queries(tasks.size());
  parallel_for(tasks.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      PatternTask& task = *tasks[i];
      while (!task.search.wanted().empty() && !task.search.looks_smooth()) {
        check_interrupt();
        task.store.evaluate(task.search.wanted(), task.samples);
        queries[i] += static_cast<long long>(task.samples.size());
        task.search.take(task.samples);
      }
      task.search.stop();
    }
  });
  RunReport report;
  for (const long long n : queries) report.queries += n;
  oracle.charge(static_cast<std::size_t>(report.queries));
  report.message = smooth_line(tasks);
  return report;
}

}  // namespace

void AnswerTask::gradients(const std::vector<std::size_t>& pieces, MatrixView<double> out) const {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Span<const double> row = store.gradient(pieces[i]);
    std::copy(row.begin(), row.end(), out.row(i).begin());
  }
}

RunReport run(Oracle& oracle, const AnswerTasks& tasks, long long budget) {
  const std::size_t d = oracle.input_size();
  const std::size_t most = std::max<std::size_t>(1, numbers_a_batch / std::max<std::size_t>(1, d));
  return run_rounds(tasks, budget, [&](const std::vector<Place>& places) {
    for (std::size_t begin = 0; begin < places.size(); begin += most) {
      const std::size_t n = std::min(most, places.size() - begin);
      answer_batch(oracle, tasks, {places.data() + begin, n});
    }
  });
}

RunReport run(Oracle& oracle, const PatternTasks& tasks, long long budget) {
  if (budget == Oracle::unlimited) return run_each_to_its_end(oracle, tasks);
  return run_rounds(tasks, budget, [&](const std::vector<Place>& places) {
    oracle.charge(places.size());
    std::vector<std::size_t> counts(tasks.size());
    for (const Place& place : places) ++counts[place.task];
    parallel_for(tasks.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        std::vector<double> t = tasks[i]->search.wanted();
        t.resize(counts[i]);
        tasks[i]->store.evaluate(t, tasks[i]->samples);
      }
    });
  });
}

}  // namespace divulge
