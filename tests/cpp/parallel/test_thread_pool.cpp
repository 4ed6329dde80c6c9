#include <doctest/doctest.h>
#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <atomic>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/parallel/thread_pool.h"

using namespace divulge;

namespace {

// Sets the number of threads for one test.
class Threads {
 public:
  explicit Threads(int n) : before_(threads()) { set_threads(n); }
  ~Threads() { set_threads(before_); }

 private:
  int before_;
};

// How often parallel_for visited each of n indices.
std::vector<int> visits(std::size_t n, std::size_t grain) {
  std::vector<int> counts(n, 0);
  parallel_for(n, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) ++counts[i];
  });
  return counts;
}

}  // namespace

TEST_CASE("every index is visited once, for any size, grain and number of threads") {
  for (int n_threads : {1, 2, 5}) {
    const Threads scope(n_threads);
    for (std::size_t n : {0, 1, 2, 7, 64, 1000})
      for (std::size_t grain : {1, 3, 64, 5000}) CHECK(visits(n, grain) == std::vector<int>(n, 1));
  }
}

TEST_CASE("chunks are the same for any number of threads") {
  using Chunks = std::set<std::pair<std::size_t, std::size_t>>;
  for (int n_threads : {1, 4}) {
    const Threads scope(n_threads);
    std::mutex mutex;
    Chunks chunks;
    parallel_for(10, 4, [&](std::size_t begin, std::size_t end) {
      const std::lock_guard lock(mutex);
      chunks.emplace(begin, end);
    });
    CHECK(chunks == Chunks{{0, 4}, {4, 8}, {8, 10}});
  }
}

TEST_CASE("several threads work, the caller among them") {
  const Threads scope(3);
  std::mutex mutex;
  std::set<std::thread::id> workers;
  std::atomic<int> arrived{0};
  parallel_for(3, 1, [&](std::size_t, std::size_t) {
    {
      const std::lock_guard lock(mutex);
      workers.insert(std::this_thread::get_id());
    }
    for (++arrived; arrived < 3;)
      std::this_thread::yield();  // nobody can take a second chunk before all have one
  });
  CHECK(workers.size() == 3);
  CHECK(workers.count(std::this_thread::get_id()) == 1);
}

TEST_CASE("an exception of a body reaches the caller, and the pool goes on working") {
  for (int n_threads : {1, 4}) {
    const Threads scope(n_threads);
    for (int repeat = 0; repeat < 50; ++repeat) {
      const auto fail = [](std::size_t begin, std::size_t) {
        if (begin % 7 == 3) throw std::runtime_error("chunk failed");
      };
      CHECK_THROWS_WITH_AS(parallel_for(100, 1, fail), "chunk failed", std::runtime_error);
      CHECK(visits(100, 3) == std::vector<int>(100, 1));
    }
  }
}

TEST_CASE("after an exception the chunks not yet begun are dropped") {
  const Threads scope(2);
  std::atomic<int> calls{0};
  const auto fail = [&](std::size_t, std::size_t) {
    ++calls;
    throw std::runtime_error("first");
  };
  CHECK_THROWS_AS(parallel_for(1000, 1, fail), std::runtime_error);
  CHECK(calls <= 2);
}

TEST_CASE("a nested call runs on the thread that makes it") {
  const Threads scope(4);
  std::atomic<int> strangers{0}, total{0};
  parallel_for(16, 1, [&](std::size_t, std::size_t) {
    const auto self = std::this_thread::get_id();
    parallel_for(10, 1, [&](std::size_t, std::size_t) {
      ++total;
      if (std::this_thread::get_id() != self) ++strangers;
    });
  });
  CHECK(total == 160);
  CHECK(strangers == 0);
}

TEST_CASE("callers on several threads at once all get their work done") {
  const Threads scope(3);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 100; ++repeat)
        if (visits(50, 7) != std::vector<int>(50, 1)) ++wrong;
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("what bodies wrote is seen by the caller") {
  const Threads scope(4);
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<int> squares(257);
    parallel_for(squares.size(), 16, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) squares[i] = static_cast<int>(i);
    });
    CHECK(std::accumulate(squares.begin(), squares.end(), 0) == 256 * 257 / 2);
  }
}

TEST_CASE("the number of threads can change between calls") {
  const Threads scope(1);
  for (int n_threads : {4, 1, 2, 8, 3}) {
    set_threads(n_threads);
    CHECK(threads() == n_threads);
    CHECK(visits(100, 1) == std::vector<int>(100, 1));
  }
}

TEST_CASE("senseless arguments are refused with their value") {
  CHECK_THROWS_WITH_AS(set_threads(0), "set_threads: expected at least 1 thread, got 0",
                       std::invalid_argument);
  CHECK_THROWS_AS(parallel_for(3, 0, [](std::size_t, std::size_t) {}), std::invalid_argument);
}

// ThreadSanitizer does not follow threads started after a fork from a process that has several. Windows has
// no fork.
#if !defined(__SANITIZE_THREAD__) && !defined(_WIN32)
TEST_CASE("a forked child has a pool of its own") {
  const Threads scope(3);
  REQUIRE(visits(100, 1) == std::vector<int>(100, 1));
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // a child that hangs is a failure
    _exit(threads() == 3 && visits(100, 1) == std::vector<int>(100, 1) ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(visits(100, 1) == std::vector<int>(100, 1));
}

TEST_CASE("a child forked while the pool works has a pool of its own") {
  const Threads scope(3);
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) visits(1000, 1);
  });
  int failures = 0;
  for (int repeat = 0; repeat < 20; ++repeat) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      std::atomic<std::size_t> sum{0};
      parallel_for(100, 1, [&](std::size_t begin, std::size_t) { sum += begin; });
      _exit(sum == 4950 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) ++failures;
  }
  stop = true;
  busy.join();
  CHECK(failures == 0);
}
#endif
