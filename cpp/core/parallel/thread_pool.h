#pragma once

#include <cstddef>
#include <functional>

// One pool of std::threads for the whole process: started by the first call that can use it, parked in
// between.
namespace divulge {

// Calls body(begin, end) for [0, grain), [grain, 2 grain), ... until n is covered, on all threads and the
// caller's own. The chunks do not depend on the number of threads, so neither do results that depend on
// nothing else. Returns when all are done. The first exception thrown by a body is rethrown here; chunks not
// yet begun are dropped. A call from inside a body, or while another thread is in parallel_for, runs all its
// chunks on the calling thread. Throws std::invalid_argument when grain is 0. A child made by fork() gets a
// pool of its own.
void parallel_for(std::size_t n, std::size_t grain,
                  const std::function<void(std::size_t, std::size_t)>& body);

// How many threads parallel_for uses, the caller's included. At first DIVULGE_NUM_THREADS where the
// environment holds a number from 1 to 4096, otherwise the number of processors that this process may use.
int threads();

// Throws std::invalid_argument when n < 1. Waits for a parallel_for that is running; not to be called from a
// body.
void set_threads(int n);

}  // namespace divulge
