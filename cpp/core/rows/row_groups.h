#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace divulge {

// A union-find over n rows that knows the factor between two rows of a group and refuses to join groups of
// which two rows contradict.
class FactorGroups {
 public:
  explicit FactorGroups(std::size_t n);

  // May be called from several threads at once for different i, before the first join().
  void contradict(std::size_t i, std::size_t j);

  // Notes that row j is `factor` times row i.
  void join(std::size_t i, std::size_t j, double factor);

  std::size_t root(std::size_t i) const;

  // Row i is factor_to_root(i) times row root(i).
  double factor_to_root(std::size_t i) const;

 private:
  bool contradicted(std::size_t a, std::size_t b) const;  // both roots

  std::size_t words_;
  std::vector<std::size_t> parent_, size_;
  std::vector<double> factor_;                    // row i is factor_[i] times row parent_[i]
  std::vector<std::uint64_t> members_, enemies_;  // (n, words) bits; those of a root speak for its group
};

}  // namespace divulge
