#include "core/parallel/thread_pool.h"

#ifndef _WIN32
#include <pthread.h>
#endif

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace divulge {
namespace {

using Body = std::function<void(std::size_t, std::size_t)>;

thread_local bool inside_body = false;

// One parallel_for: chunks are handed out by a counter.
class Job {
 public:
  Job(std::size_t n, std::size_t grain, const Body& body) : n_(n), grain_(grain), body_(body) {}

  std::size_t chunks() const { return n_ / grain_ + (n_ % grain_ != 0); }

  void work() {
    inside_body = true;
    for (std::size_t i; (i = next_.fetch_add(1)) < chunks();) run_chunk(i);
    inside_body = false;
  }

  void rethrow() {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void run_chunk(std::size_t i) {
    try {
      body_(i * grain_, std::min(n_, (i + 1) * grain_));
    } catch (...) {
      next_ = chunks();
      const std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }

  const std::size_t n_, grain_;
  const Body& body_;
  std::atomic<std::size_t> next_{0};
  std::mutex error_mutex_;
  std::exception_ptr error_;
};

class Pool {
 public:
  explicit Pool(int threads) : threads_(threads) {}

  int threads() const { return threads_; }

  void resize(int threads) {
    const std::lock_guard turn(turn_);
    stop();
    threads_ = threads;
  }

  // False when another thread has the pool.
  bool run(Job& job) {
    const std::unique_lock turn(turn_, std::try_to_lock);
    if (!turn) return false;
    start();
    publish(job);
    job.work();
    retire();
    return true;
  }

 private:
  void start() {
    while (workers_.size() + 1 < static_cast<std::size_t>(threads_))
      workers_.emplace_back([this] { serve(); });
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    stopping_ = false;
  }

  void publish(Job& job) {
    {
      const std::lock_guard lock(mutex_);
      job_ = &job;
      ++round_;
    }
    const std::size_t helpers = std::min(workers_.size(), job.chunks() - 1);
    for (std::size_t i = 0; i < helpers; ++i) wake_.notify_one();
  }

  // After this no worker holds the job, and one that wakes late finds none.
  void retire() {
    std::unique_lock lock(mutex_);
    job_ = nullptr;
    idle_.wait(lock, [this] { return busy_ == 0; });
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (std::size_t seen = 0;;) {
      wake_.wait(lock, [&] { return stopping_ || (job_ && round_ != seen); });
      if (stopping_) return;
      seen = round_;
      Job& job = *job_;
      ++busy_;
      lock.unlock();
      job.work();
      lock.lock();
      if (--busy_ == 0) idle_.notify_all();
    }
  }

  std::mutex turn_;  // held by whoever runs a job or changes the workers
  std::atomic<int> threads_;
  std::vector<std::thread> workers_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_, idle_;
  Job* job_ = nullptr;
  std::size_t round_ = 0, busy_ = 0;
  bool stopping_ = false;
};

int initial_threads() {
  const char* text = std::getenv("DIVULGE_NUM_THREADS");
  char* rest = nullptr;
  const long asked = text ? std::strtol(text, &rest, 10) : 0;
  if (asked > 0 && asked <= 4096 && *rest == '\0') return static_cast<int>(asked);
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Never destroyed: at exit workers may still be parked on its members. A forked child, where the workers do
// not exist and locks may be held for ever, leaves the old pool as it is and takes a new one.
Pool*& pool_slot() {
  static Pool* slot = [] {
#ifndef _WIN32  // which does not fork
    pthread_atfork(nullptr, nullptr, [] { pool_slot() = new Pool(pool_slot()->threads()); });
#endif
    return new Pool(initial_threads());
  }();
  return slot;
}

}  // namespace

void parallel_for(std::size_t n, std::size_t grain, const Body& body) {
  if (grain == 0) throw std::invalid_argument("parallel_for: expected a grain of at least 1, got 0");
  if (n == 0) return;
  Pool& pool = *pool_slot();
  Job job(n, grain, body);
  const bool worth_it = job.chunks() > 1 && pool.threads() > 1 && !inside_body;
  if (worth_it && pool.run(job)) return job.rethrow();
  for (std::size_t begin = 0; begin < n; begin += std::min(grain, n - begin))
    body(begin, begin + std::min(grain, n - begin));
}

int threads() { return pool_slot()->threads(); }

void set_threads(int n) {
  if (n < 1) throw std::invalid_argument("set_threads: expected at least 1 thread, got " + std::to_string(n));
  pool_slot()->resize(n);
}

}  // namespace divulge
