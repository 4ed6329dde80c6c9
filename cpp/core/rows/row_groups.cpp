#include "core/rows/row_groups.h"

#include <utility>

namespace divulge {
namespace {

constexpr std::size_t bits = 64;

void set(std::vector<std::uint64_t>& table, std::size_t words, std::size_t row, std::size_t bit) {
  table[row * words + bit / bits] |= std::uint64_t{1} << bit % bits;
}

}  // namespace

FactorGroups::FactorGroups(std::size_t n)
    : words_((n + bits - 1) / bits),
      parent_(n),
      size_(n, 1),
      factor_(n, 1.0),
      members_(n * words_),
      enemies_(n * words_) {
  for (std::size_t i = 0; i < n; ++i) {
    parent_[i] = i;
    set(members_, words_, i, i);
  }
}

void FactorGroups::contradict(std::size_t i, std::size_t j) { set(enemies_, words_, i, j); }

// Joined by size, no path is longer than log2(n).
std::size_t FactorGroups::root(std::size_t i) const {
  while (parent_[i] != i) i = parent_[i];
  return i;
}

double FactorGroups::factor_to_root(std::size_t i) const {
  double product = 1;
  for (; parent_[i] != i; i = parent_[i]) product *= factor_[i];
  return product;
}

bool FactorGroups::contradicted(std::size_t a, std::size_t b) const {
  const auto enemies = [this](std::size_t x) { return enemies_.data() + x * words_; };
  const auto members = [this](std::size_t x) { return members_.data() + x * words_; };
  for (std::size_t k = 0; k < words_; ++k)
    if ((enemies(a)[k] & members(b)[k]) | (enemies(b)[k] & members(a)[k])) return true;
  return false;
}

void FactorGroups::join(std::size_t i, std::size_t j, double factor) {
  std::size_t a = root(i), b = root(j);
  if (a == b || contradicted(a, b)) return;
  double b_from_a = factor * factor_to_root(i) / factor_to_root(j);
  if (size_[a] < size_[b]) {
    std::swap(a, b);
    b_from_a = 1 / b_from_a;
  }
  parent_[b] = a;
  factor_[b] = b_from_a;
  size_[a] += size_[b];
  for (std::size_t k = 0; k < words_; ++k) {
    members_[a * words_ + k] |= members_[b * words_ + k];
    enemies_[a * words_ + k] |= enemies_[b * words_ + k];
  }
}

}  // namespace divulge
