#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "core/linalg/buffer.h"
#include "core/linalg/matrix.h"

namespace divulge {

// An oracle could not answer, or gave an answer that is no number. A search ends there with what it knows.
class OracleFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Nothing was asked, because the budget holds fewer queries than were wanted.
class BudgetExhausted : public OracleFailure {
 public:
  using OracleFailure::OracleFailure;
};

// A line x = u + t v of an oracle that knows a cheaper way to answer there. A point counts as a query all the
// same. Instead of a gradient it gives the activation pattern, which stands for the gradient: equal patterns,
// equal gradients. Points on one line may not be asked from two threads at once.
class Line {
 public:
  virtual ~Line() = default;
  virtual std::size_t pattern_size() const = 0;
  // t, values, slopes (m,), patterns (m, pattern_size).
  virtual void evaluate(Span<const double> t, Span<double> values, Span<double> slopes,
                        MatrixView<std::uint8_t> patterns) = 0;
  // patterns (n, pattern_size), gradients (n, d).
  virtual void gradients(MatrixView<const std::uint8_t> patterns, MatrixView<double> gradients) const = 0;
};

// What somebody outside may ask of a scalar function on R^d: values and gradients at a batch of points.
// Counts every point as one query and holds a budget. May be asked from several threads.
class Oracle {
 public:
  static constexpr long long unlimited = std::numeric_limits<long long>::max();

  // epsilon: the relative spacing of the numbers that answers are computed in, 2^-52 or 2^-23. With the
  // latter points are rounded to float32 before they are evaluated; who asks rounds them too.
  Oracle(std::size_t input_size, double epsilon) : input_size_(input_size), epsilon_(epsilon) {}
  virtual ~Oracle() = default;
  Oracle(const Oracle&) = delete;
  Oracle& operator=(const Oracle&) = delete;

  std::size_t input_size() const { return input_size_; }
  double epsilon() const { return epsilon_; }
  bool single_precision() const { return epsilon_ > 1e-10; }

  // points (n, d), values (n,), gradients (n, d). Throws std::invalid_argument on wrong shapes,
  // BudgetExhausted, and OracleFailure naming the first answer that is NaN or infinite; the latter is
  // charged.
  void query(MatrixView<const double> points, Span<double> values, MatrixView<double> gradients);

  // The same; the answers are handed to `consume`, wherever they lie. They stay there until it returns.
  using Consume = std::function<void(Span<const double> values, MatrixView<const double> gradients)>;
  void query(MatrixView<const double> points, const Consume& consume);

  // Room for n points (n, d), to be filled and then asked about: an oracle that hands its points on takes
  // them from there without another copy. Good until the next call; who asked may not read it after a query.
  virtual MatrixView<double> room(std::size_t n);

  // Cheaper access along the lines origins (L, d) + t directions (L, d); empty where there is none.
  virtual std::vector<std::unique_ptr<Line>> lines(MatrixView<const double> origins,
                                                   MatrixView<const double> directions) const;

  // Counts n queries answered through a Line. Throws BudgetExhausted.
  void charge(std::size_t n);

  long long queries() const { return queries_; }
  long long max_queries() const { return max_queries_; }
  void set_max_queries(long long max_queries) { max_queries_ = max_queries; }
  long long remaining() const;

 protected:
  // Shapes are checked, n > 0.
  virtual void answer(MatrixView<const double> points, Span<double> values, MatrixView<double> gradients) = 0;

  // By default through answer(), into memory of its own.
  virtual void answer_to(MatrixView<const double> points, const Consume& consume);

 private:
  std::size_t input_size_;
  double epsilon_;
  Buffer room_;
  std::size_t room_rows_ = 0;
  std::atomic<long long> queries_{0};
  std::atomic<long long> max_queries_{unlimited};
};

}  // namespace divulge
