#include "core/line_search.h"

#include <algorithm>
#include <cmath>

#include "kernels/line.h"

namespace divulge {
namespace {

constexpr std::size_t first_intervals = 8;
constexpr std::size_t usual_kinks =
    32;                                // room from the start: small searches spend their time on allocations
constexpr double step_over_noise = 4;  // a proof is asked this many error bounds away from the kink
constexpr double step_over_epsilon = 64;  // and at least this many spacings of t
constexpr double trusted_steps = 8;       // a proof given further off is asked for again, nearer
constexpr double width_over_epsilon = 4;  // narrower intervals can not be split
constexpr double close_steps = 64;  // an interval that can not be split any more holds a kink this close

}  // namespace

LineSearch::LineSearch(PieceStore& store, const LineSearchOptions& options)
    : store_(store), options_(options) {
  for (std::vector<Interval>* list : {&open_, &next_open_}) list->reserve(usual_kinks);
  for (std::vector<double>* list : {&wanted_, &next_wanted_}) list->reserve(usual_kinks);
  kinks_.reserve(usual_kinks);
  const double scale = options_.scale;
  const double a = std::atan(options_.low / scale), c = std::atan(options_.high / scale);
  wanted_.push_back(rounded(options_.low));
  for (std::size_t i = 1; i < first_intervals; ++i) {
    const double t = rounded(scale * std::tan(a + (c - a) * static_cast<double>(i) / first_intervals));
    if (t > wanted_.back() && t < options_.high) wanted_.push_back(t);
  }
  wanted_.push_back(rounded(options_.high));
}

double LineSearch::rounded(double t) const {
  return options_.float32_abscissas ? static_cast<double>(static_cast<float>(t)) : t;
}

double LineSearch::reach(double t) const { return std::abs(t) + options_.scale; }

double LineSearch::value_noise(const LineSample& a, const LineSample& b) const {
  const double size = std::max(std::abs(a.value), std::abs(b.value));
  return options_.noise * (size + steepest_ * std::max(reach(a.t), reach(b.t)));
}

void LineSearch::take(const std::vector<LineSample>& answers) {
  if (answers.size() < wanted_.size()) complete_ = false;  // open_ loses the rest
  for (const LineSample& sample : answers) steepest_ = std::max(steepest_, std::abs(sample.slope));
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
      Interval interval;
      interval.left = left;
      interval.right = right;
      decide(interval);
    }
    left = right;
  }
}

// Equal gradients do not suffice: after two kinks with opposite jumps the tangents are parallel.
bool LineSearch::same(const LineSample& a, const LineSample& b) {
  if (!store_.same_gradient(a, b)) return false;
  const double distance = b.t - a.t;
  const double error = std::abs(b.value - a.value - a.slope * distance);
  return error <= 64 * value_noise(a, b) + options_.slope_tolerance * steepest_ * std::abs(distance);
}

void LineSearch::split(const Interval& interval, LineSample sample) {
  Interval part = interval;
  const auto moves = [&](LineSample& end, bool& proven) {
    if (!same(end, sample)) return false;
    store_.release(sample.piece);
    sample.piece = end.piece;
    end = sample;
    proven = interval.probe != Probe::bisect;
    return true;
  };
  if (moves(part.left, part.left_proven) || moves(part.right, part.right_proven)) return decide(part);
  ++pieces_;
  part.right = sample;
  part.left_proven = part.right_proven = interval.probe == Probe::right && interval.left_proven;
  decide(part);
  part.left = sample;
  part.right = interval.right;
  part.left_proven = part.right_proven = interval.probe == Probe::left && interval.right_proven;
  decide(part);
}

void LineSearch::ask(Interval interval, Probe probe, double t) {
  interval.probe = probe;
  next_open_.push_back(interval);
  next_wanted_.push_back(t);
}

LineSearch::Meeting LineSearch::meeting(const Interval& interval) const {
  const LineSample &a = interval.left, &c = interval.right;
  const double jump = std::abs(a.slope - c.slope);
  if (!(jump > 0)) return {c.t, step_over_epsilon * options_.epsilon * reach(c.t), false, false};
  const double t = kernels::tangents_meet(a.t, a.value, a.slope, c.t, c.value, c.slope);
  const double step =
      std::max(step_over_epsilon * options_.epsilon * reach(t), step_over_noise * value_noise(a, c) / jump);
  const auto inside = [&](double slack) { return t >= a.t - slack && t <= c.t + slack; };
  return {std::min(std::max(t, a.t), c.t), step, inside(step), inside(close_steps * step)};
}

void LineSearch::decide(Interval interval) {
  const LineSample &a = interval.left, &c = interval.right;
  const Meeting meet = meeting(interval);
  if (!meet.inside) return bisect(interval, meet);
  const bool narrow = c.t - a.t <= options_.narrow * reach(meet.t);
  const auto proven = [&](double distance, bool asked) {
    return narrow || distance <= (asked ? trusted_steps : 2) * meet.step;
  };
  const bool left = proven(meet.t - a.t, interval.left_proven);
  const bool right = proven(c.t - meet.t, interval.right_proven);
  if (left && right) {
    kinks_.push_back({meet.t, a.piece, c.piece});
  } else if (!left && (right || meet.t - a.t >= c.t - meet.t)) {
    ask(interval, Probe::left, rounded(meet.t - meet.step));
  } else {
    ask(interval, Probe::right, rounded(meet.t + meet.step));
  }
}

void LineSearch::bisect(Interval interval, const Meeting& meet) {
  const double low = interval.left.t, high = interval.right.t;
  const double t = rounded(kernels::arctan_midpoint(low, high, options_.scale));
  if (high - low > width_over_epsilon * options_.epsilon * reach(t) && low < t && t < high) {
    interval.left_proven = interval.right_proven = false;
    return ask(interval, Probe::bisect, t);
  }
  if (meet.close)
    kinks_.push_back({meet.t, interval.left.piece, interval.right.piece});
  else
    unresolved_.push_back({low, high});
}

}  // namespace divulge
