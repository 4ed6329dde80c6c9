#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace divulge {

// Vectors that are kept from one call to the next. Pages that were given back to the system must be mapped
// again, which takes a third of the time of a product over 1,000 rows.
template <class T>
class SpareMemory {
 public:
  // A vector of unspecified numbers, of any size; one with room for `size` where there is such a one.
  std::vector<T> take(std::size_t size) {
    const std::lock_guard lock(mutex_);
    if (kept_.empty()) return {};
    auto found =
        std::find_if(kept_.begin(), kept_.end(), [&](const auto& v) { return v.capacity() >= size; });
    if (found == kept_.end()) --found;
    std::vector<T> taken = std::move(*found);
    kept_.erase(found);
    bytes_ -= taken.capacity() * sizeof(T);
    return taken;
  }

  // Keeps it, unless more than 64 MiB would be kept.
  void give(std::vector<T> memory) {
    const std::size_t bytes = memory.capacity() * sizeof(T);
    const std::lock_guard lock(mutex_);
    if (bytes_ + bytes > most) return;
    bytes_ += bytes;
    kept_.push_back(std::move(memory));
  }

 private:
  static constexpr std::size_t most = std::size_t{1} << 26;

  std::mutex mutex_;
  std::size_t bytes_ = 0;
  std::vector<std::vector<T>> kept_;
};

// Numbers on loan from spare memory, unspecified at first; without such memory, their own.
template <class T>
class Loan {
 public:
  Loan() = default;
  Loan(SpareMemory<T>* spare, std::size_t size) : spare_(spare) {
    if (spare_) numbers_ = spare_->take(size);
    numbers_.resize(size);
  }
  Loan(Loan&& other) noexcept
      : spare_(std::exchange(other.spare_, nullptr)), numbers_(std::move(other.numbers_)) {}
  Loan& operator=(Loan&& other) noexcept {
    std::swap(spare_, other.spare_);
    numbers_.swap(other.numbers_);
    return *this;
  }
  ~Loan() {
    if (spare_) spare_->give(std::move(numbers_));
  }

  T* data() { return numbers_.data(); }
  std::size_t size() const { return numbers_.size(); }

 private:
  SpareMemory<T>* spare_ = nullptr;
  std::vector<T> numbers_;
};

}  // namespace divulge
