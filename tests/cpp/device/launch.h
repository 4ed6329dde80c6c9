#pragma once

#include <cstdint>

// How the tests' kernels run. On a device nothing is set: it runs them as it likes.
namespace divulge::test {

// Whether ThreadSanitizer watches every access. Fibres show it nothing, and are slow then.
#if defined(__SANITIZE_THREAD__)
constexpr bool watched = true;
#else
constexpr bool watched = false;
#endif

// Random problems a test; each switch between fibres asks the system where addresses are watched.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t trials = 8;
#else
constexpr std::uint64_t trials = 60;
#endif

// Blocks of so many threads from now on (0: as the launcher asks), in an order drawn from the seed; on
// threads of the system for ThreadSanitizer's eyes where `threads_of_system`.
void set_schedule(unsigned threads, std::uint64_t seed, bool threads_of_system = false);

}  // namespace divulge::test
