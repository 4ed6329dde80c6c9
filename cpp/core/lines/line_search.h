#pragma once

#include <cstddef>
#include <vector>

#include "kernels/line_search.h"

namespace divulge {

// Knows the gradients that pieces stand for.
class PieceStore {
 public:
  virtual ~PieceStore() = default;
  // Whether two pieces have the same gradient, within the store's tolerance.
  virtual bool same_gradient(const LineSample& a, const LineSample& b) = 0;
  // The piece is not needed any more.
  virtual void release(std::size_t piece) = 0;
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
  void start(const std::vector<LineSample>& answers);
  void split(const kernels::LineInterval& interval, const LineSample& sample);
  void decide(const kernels::LineInterval& interval);
  bool same(const LineSample& a, const LineSample& b);

  PieceStore& store_;
  kernels::LineRules rules_;
  std::vector<kernels::LineInterval> open_, next_open_;
  std::vector<double> wanted_, next_wanted_;
  std::vector<Kink> kinks_;
  std::vector<Gap> unresolved_;
  LineSample base_;
  std::size_t pieces_ = 0;
  bool has_base_ = false, started_ = false, complete_ = true;
};

}  // namespace divulge
