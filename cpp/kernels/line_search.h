#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/hd.h"
#include "kernels/line.h"

// The decisions of the search for the kinks of a piecewise-linear function on a line;
// core/lines/line_search.h says how it goes.
namespace divulge {

// An answer on a line x = u + t v: value, slope g.v, and the number of the linear piece it lies in, which
// stands for the gradient g.
struct LineSample {
  double t = 0, value = 0, slope = 0;
  std::size_t piece = 0;
};

struct LineSearchOptions {
  double low = 0, high = 0;    // t range
  double scale = 1;            // |u| / |v|: bisection is even in arctan(t / scale)
  double noise = 0;            // rounding error of a value at t, relative to |value| + |slope| (|t| + scale)
  double slope_tolerance = 0;  // error of a slope, relative to the largest one
  double epsilon = 0;          // spacing of t, relative to |t| + scale
  double narrow = 0;           // ends this close, relative to |t| + scale, prove the kink between them
  bool float32_abscissas = false;
};

namespace kernels {

DIVULGE_HD inline double larger(double a, double b) { return a < b ? b : a; }

// The error that answers' gradients may have, relative to the largest one.
DIVULGE_HD inline double gradient_tolerance(bool single_precision, double tolerance) {
  return larger(tolerance, single_precision ? 4e-6 : 1e-11);
}

// What all lines have in common. rounding: the error of values on a line, in epsilon.
DIVULGE_HD inline LineSearchOptions line_options(double epsilon, bool single_precision, double tolerance,
                                                 double rounding) {
  LineSearchOptions line;
  line.noise = larger(tolerance, rounding * epsilon);
  line.slope_tolerance = gradient_tolerance(single_precision, tolerance);
  line.epsilon = epsilon;
  line.narrow = single_precision ? 64 * epsilon : 1e-9;
  return line;
}

constexpr unsigned first_intervals = 8;
constexpr double step_over_noise = 4;     // a proof is asked this many error bounds away from the kink
constexpr double step_over_epsilon = 64;  // and at least this many spacings of t
constexpr double trusted_steps = 8;       // a proof given further off is asked for again, nearer
constexpr double width_over_epsilon = 4;  // narrower intervals can not be split
constexpr double close_steps = 64;  // an interval that can not be split any more holds a kink this close

enum class Probe : std::uint8_t { bisect, left, right };

struct LineInterval {
  LineSample left, right;
  bool left_proven = false, right_proven = false;  // the end was asked for as a proof of the kink between
  Probe probe = Probe::bisect;
};

// What is known of an interval: where to ask next, that it holds one kink, at t, or that it holds several too
// close to separate.
struct LineDecision {
  enum Kind : std::uint8_t { ask, kink, gap } kind = ask;
  LineInterval interval;
  double t = 0;
};

// steepest: the largest |slope| met on the line.
struct LineRules {
  LineSearchOptions options;
  double steepest = 0;

  DIVULGE_HD double rounded(double t) const {
    return options.float32_abscissas ? static_cast<double>(static_cast<float>(t)) : t;
  }

  DIVULGE_HD double reach(double t) const { return std::abs(t) + options.scale; }

  DIVULGE_HD double value_noise(const LineSample& a, const LineSample& b) const {
    const double size = larger(std::abs(a.value), std::abs(b.value));
    return options.noise * (size + steepest * larger(reach(a.t), reach(b.t)));
  }

  // Where the search begins: t (first_intervals + 1,); returns how many.
  DIVULGE_HD unsigned start(double* t) const {
    const double a = std::atan(options.low / options.scale), c = std::atan(options.high / options.scale);
    unsigned count = 0;
    t[count++] = rounded(options.low);
    for (unsigned i = 1; i < first_intervals; ++i) {
      const double next = rounded(options.scale * std::tan(a + (c - a) * i / first_intervals));
      if (next > t[count - 1] && next < options.high) t[count++] = next;
    }
    t[count++] = rounded(options.high);
    return count;
  }

  // Whether b lies on a's tangent, which equal gradients do not say: after two kinks with opposite jumps the
  // tangents are parallel.
  DIVULGE_HD bool on_tangent(const LineSample& a, const LineSample& b) const {
    const double distance = b.t - a.t;
    const double error = std::abs(b.value - a.value - a.slope * distance);
    return error <= 64 * value_noise(a, b) + options.slope_tolerance * steepest * std::abs(distance);
  }

  DIVULGE_HD LineDecision decide(LineInterval interval) const {
    const LineSample &a = interval.left, &c = interval.right;
    const Meeting meet = meeting(interval);
    if (!meet.inside) return bisect(interval, meet);
    const bool narrow = c.t - a.t <= options.narrow * reach(meet.t);
    const bool left = narrow || meet.t - a.t <= (interval.left_proven ? trusted_steps : 2) * meet.step;
    const bool right = narrow || c.t - meet.t <= (interval.right_proven ? trusted_steps : 2) * meet.step;
    if (left && right) return {LineDecision::kink, interval, meet.t};
    const bool ask_left = !left && (right || meet.t - a.t >= c.t - meet.t);
    interval.probe = ask_left ? Probe::left : Probe::right;
    return {LineDecision::ask, interval, rounded(ask_left ? meet.t - meet.step : meet.t + meet.step)};
  }

 private:
  // Where the tangents of an interval's ends meet, moved into the interval.
  struct Meeting {
    double t;
    double step;         // distance of the proofs from t, a bound on its error
    bool inside, close;  // inside the interval, but for one step and for many
  };

  DIVULGE_HD Meeting meeting(const LineInterval& interval) const {
    const LineSample &a = interval.left, &c = interval.right;
    const double jump = std::abs(a.slope - c.slope);
    if (!(jump > 0)) return {c.t, step_over_epsilon * options.epsilon * reach(c.t), false, false};
    const double t = tangents_meet(a.t, a.value, a.slope, c.t, c.value, c.slope);
    const double step =
        larger(step_over_epsilon * options.epsilon * reach(t), step_over_noise * value_noise(a, c) / jump);
    const double far = close_steps * step, inner = larger(t, a.t);
    return {inner > c.t ? c.t : inner, step, t >= a.t - step && t <= c.t + step,
            t >= a.t - far && t <= c.t + far};
  }

  DIVULGE_HD LineDecision bisect(LineInterval interval, const Meeting& meet) const {
    const double low = interval.left.t, high = interval.right.t;
    const double t = rounded(arctan_midpoint(low, high, options.scale));
    if (high - low > width_over_epsilon * options.epsilon * reach(t) && low < t && t < high) {
      interval.left_proven = interval.right_proven = false;
      interval.probe = Probe::bisect;
      return {LineDecision::ask, interval, t};
    }
    return {meet.close ? LineDecision::kink : LineDecision::gap, interval, meet.t};
  }
};

enum class Side : std::uint8_t { neither, left, right };

// What an answer between the ends of an interval makes of it: one narrower interval where the answer lies in
// the piece of an end, else two.
struct LineSplit {
  LineInterval parts[2];
  unsigned count;
};

DIVULGE_HD inline LineSplit split_interval(const LineInterval& interval, LineSample sample, Side same) {
  LineSplit out{{interval, interval}, 1};
  LineInterval &first = out.parts[0], &second = out.parts[1];
  if (same == Side::left) {
    sample.piece = interval.left.piece;
    first.left = sample;
    first.left_proven = interval.probe != Probe::bisect;
    return out;
  }
  if (same == Side::right) {
    sample.piece = interval.right.piece;
    first.right = sample;
    first.right_proven = interval.probe != Probe::bisect;
    return out;
  }
  out.count = 2;
  first.right = second.left = sample;
  first.left_proven = first.right_proven = interval.probe == Probe::right && interval.left_proven;
  second.left_proven = second.right_proven = interval.probe == Probe::left && interval.right_proven;
  return out;
}

}  // namespace kernels
}  // namespace divulge
