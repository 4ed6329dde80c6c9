#pragma once

#include <cstddef>
#include <vector>

namespace divulge {

// An answer on a line x = u + t v: value, slope g.v, and the number of the linear piece it lies in, which
// stands for the gradient g.
struct LineSample {
  double t = 0, value = 0, slope = 0;
  std::size_t piece = 0;
};

// Knows the gradients that pieces stand for.
class PieceStore {
 public:
  virtual ~PieceStore() = default;
  // Whether two pieces have the same gradient, within the store's tolerance.
  virtual bool same_gradient(const LineSample& a, const LineSample& b) = 0;
  // The piece is not needed any more.
  virtual void release(std::size_t piece) = 0;
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

// The search for all kinks of a piecewise-linear function on one line, as a machine that says where it wants
// answers and is then given them. Intervals whose ends lie in different pieces are open. If one kink lies
// between, the tangents at the ends meet exactly there (Eisner and Severance 1976); without convexity that
// proves nothing, so a kink is accepted only when points just left and just right of it are found to lie in
// the two pieces. A new piece splits the interval. Where the tangents meet outside the interval it is
// bisected.
class LineSearch {
 public:
  struct Kink {
    double t;
    std::size_t left, right;  // pieces
  };
  struct Gap {
    double low, high;
  };

  LineSearch(PieceStore& store, const LineSearchOptions& options);

  // Where answers are wanted, all at once. Empty when the search is over.
  const std::vector<double>& wanted() const { return wanted_; }

  // The answers, in the order of wanted(). With fewer answers than wanted the search can not go on.
  void take(const std::vector<LineSample>& answers);

  // Ends a search that still wants answers.
  void stop();

  // So many pieces and hardly a kink between two of them: no piecewise-linear function.
  bool looks_smooth() const { return pieces_ > 8192 && kinks_.size() < pieces_ / 64; }

  bool complete() const { return complete_ && wanted_.empty() && unresolved_.empty(); }
  const LineSample& base() const { return base_; }  // at `low`
  bool has_base() const { return has_base_; }
  const std::vector<Kink>& kinks() const { return kinks_; }  // by t, once wanted() is empty
  const std::vector<Gap>& unresolved() const {
    return unresolved_;
  }  // hold several kinks too close to separate
  std::size_t pieces() const { return pieces_; }

 private:
  enum class Probe { bisect, left, right };
  struct Interval {
    LineSample left, right;
    bool left_proven = false, right_proven = false;  // the end was asked for as a proof of the kink between
    Probe probe = Probe::bisect;
  };

  // Where the tangents of an interval's ends meet, moved into the interval.
  struct Meeting {
    double t;
    double step;         // distance of the proofs from t, a bound on its error
    bool inside, close;  // inside the interval, but for one step and for many
  };

  void start(const std::vector<LineSample>& answers);
  void split(const Interval& interval, LineSample sample);
  void decide(Interval interval);
  void bisect(Interval interval, const Meeting& meet);
  Meeting meeting(const Interval& interval) const;
  void ask(Interval interval, Probe probe, double t);
  bool same(const LineSample& a, const LineSample& b);
  double reach(double t) const;
  double rounded(double t) const;
  double value_noise(const LineSample& a, const LineSample& b) const;

  PieceStore& store_;
  LineSearchOptions options_;
  std::vector<Interval> open_, next_open_;
  std::vector<double> wanted_, next_wanted_;
  std::vector<Kink> kinks_;
  std::vector<Gap> unresolved_;
  LineSample base_;
  double steepest_ = 0;  // largest |slope| met
  std::size_t pieces_ = 0;
  bool has_base_ = false, started_ = false, complete_ = true;
};

}  // namespace divulge
