#include "core/parallel/interrupt.h"

#include <atomic>
#include <chrono>

namespace divulge {
namespace {
std::atomic<void (*)()> hook{nullptr};
}

void set_interrupt_check(void (*check)()) { hook = check; }

void check_interrupt() {
  using Clock = std::chrono::steady_clock;
  thread_local Clock::time_point last{};
  const auto check = hook.load(std::memory_order_relaxed);
  if (!check) return;
  const Clock::time_point now = Clock::now();
  if (now - last < std::chrono::milliseconds(50)) return;
  last = now;
  check();
}

}  // namespace divulge
