#include "core/lines/line_search.h"

#include <algorithm>
#include <cmath>

namespace divulge {
namespace {

constexpr std::size_t usual_kinks =
    32;  // room from the start: small searches spend their time on allocations

}  // namespace

LineSearch::LineSearch(PieceStore& store, const LineSearchOptions& options)
    : store_(store), rules_{options, 0} {
  for (std::vector<kernels::LineInterval>* list : {&open_, &next_open_}) list->reserve(usual_kinks);
  for (std::vector<double>* list : {&wanted_, &next_wanted_}) list->reserve(usual_kinks);
  kinks_.reserve(usual_kinks);
  wanted_.resize(kernels::first_intervals + 1);
  wanted_.resize(rules_.start(wanted_.data()));
}

void LineSearch::take(const std::vector<LineSample>& answers) {
  if (answers.size() < wanted_.size()) complete_ = false;  // open_ loses the rest
  for (const LineSample& sample : answers)
    rules_.steepest = std::max(rules_.steepest, std::abs(sample.slope));
  next_open_.clear();
  next_wanted_.clear();
  if (started_) {
    for (std::size_t i = 0; i < answers.size(); ++i) split(open_[i], answers[i]);
  } else {
    start(answers);
  }
  open_.swap(next_open_);
  wanted_.swap(next_wanted_);
  if (wanted_.empty()) stop();
}

void LineSearch::stop() {
  if (!wanted_.empty()) complete_ = false;
  wanted_.clear();
  open_.clear();
  std::sort(kinks_.begin(), kinks_.end(), [](const Kink& a, const Kink& b) { return a.t < b.t; });
  std::sort(unresolved_.begin(), unresolved_.end(), [](const Gap& a, const Gap& b) { return a.low < b.low; });
}

void LineSearch::start(const std::vector<LineSample>& answers) {
  started_ = true;
  if (answers.empty()) return;
  base_ = answers.front();
  has_base_ = true;
  pieces_ = 1;
  LineSample left = base_;
  for (std::size_t i = 1; i < answers.size(); ++i) {
    LineSample right = answers[i];
    if (same(left, right)) {
      store_.release(right.piece);
      right.piece = left.piece;
    } else {
      ++pieces_;
      kernels::LineInterval interval;
      interval.left = left;
      interval.right = right;
      decide(interval);
    }
    left = right;
  }
}

bool LineSearch::same(const LineSample& a, const LineSample& b) {
  return store_.same_gradient(a, b) && rules_.on_tangent(a, b);
}

void LineSearch::split(const kernels::LineInterval& interval, const LineSample& sample) {
  using kernels::Side;
  const Side side = same(interval.left, sample)    ? Side::left
                    : same(interval.right, sample) ? Side::right
                                                   : Side::neither;
  if (side == Side::neither)
    ++pieces_;
  else
    store_.release(sample.piece);
  const kernels::LineSplit split = kernels::split_interval(interval, sample, side);
  for (unsigned i = 0; i < split.count; ++i) decide(split.parts[i]);
}

void LineSearch::decide(const kernels::LineInterval& interval) {
  const kernels::LineDecision next = rules_.decide(interval);
  if (next.kind == kernels::LineDecision::kink) {
    kinks_.push_back({next.t, interval.left.piece, interval.right.piece});
  } else if (next.kind == kernels::LineDecision::gap) {
    unresolved_.push_back({interval.left.t, interval.right.t});
  } else {
    next_open_.push_back(next.interval);
    next_wanted_.push_back(next.t);
  }
}

}  // namespace divulge
