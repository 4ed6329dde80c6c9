#pragma once

#include <cstdint>

// How the tests' kernels run. On a device nothing is set: it runs them as it likes.
namespace divulge::test {

// Random problems a test; few where every access is watched.
#if defined(__SANITIZE_THREAD__)
constexpr std::uint64_t trials = 6;
#else
constexpr std::uint64_t trials = 30;
#endif

// Blocks of so many threads from now on (0: as the launcher asks), in an order drawn from the seed; on
// threads of the system for ThreadSanitizer's eyes where `threads_of_system`.
void set_schedule(unsigned threads, std::uint64_t seed, bool threads_of_system = false);

}  // namespace divulge::test
