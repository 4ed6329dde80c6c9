#include <condition_variable>
#include <mutex>
#include <thread>

#include "device/schedule.h"

#if defined(__SANITIZE_THREAD__)
extern "C" {
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#define DIVULGE_IGNORE(What) Annotate##What(__FILE__, __LINE__)
#else
#define DIVULGE_IGNORE(What) static_cast<void>(0)
#endif

namespace divulge::host {
namespace {

// What ThreadSanitizer neither checks nor takes for an order of memory.
class Unseen {
 public:
  explicit Unseen(bool on) : on_(on) {
    if (!on_) return;
    DIVULGE_IGNORE(IgnoreSyncBegin);
    DIVULGE_IGNORE(IgnoreReadsBegin);
    DIVULGE_IGNORE(IgnoreWritesBegin);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
  ~Unseen() {
    if (!on_) return;
    DIVULGE_IGNORE(IgnoreWritesEnd);
    DIVULGE_IGNORE(IgnoreReadsEnd);
    DIVULGE_IGNORE(IgnoreSyncEnd);
  }

 private:
  bool on_;
};

class ThreadTeam : public Team {
 public:
  explicit ThreadTeam(std::uint64_t seed) : seed_(seed) {}

  void wait(Group& group, bool orders_memory) override {
    thread_local std::minstd_rand random(
        static_cast<unsigned>(seed_ + std::hash<std::thread::id>()(std::this_thread::get_id())));
    if (random() % 4 == 0) std::this_thread::yield();
    const Unseen unseen(!orders_memory);
    std::unique_lock<std::mutex> lock(mutex_);
    if (++group.arrived == group.size) {
      group.arrived = 0;
      ++group.generation;
      changed_.notify_all();
      return;
    }
    const unsigned generation = group.generation;
    changed_.wait(lock, [&] { return group.generation != generation; });
  }

 private:
  std::uint64_t seed_;
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace

const std::uint64_t* HostBlock::exchange(const void* from, std::size_t size) {
  const unsigned first = thread_ / 32 * 32;
  std::uint64_t* slots = state_.slots.data() + turn_ * state_.threads + first;
  turn_ = 1 - turn_;
  {
    const Unseen unseen(true);
    std::memcpy(slots + thread_ - first, from, size);
  }
  state_.team.wait(state_.warps[thread_ / 32], false);
  return slots;
}

void HostBlock::read(const std::uint64_t* slot, void* to, std::size_t size) {
  const Unseen unseen(true);
  std::memcpy(to, slot, size);
}

void run_threads(const std::function<void(BlockState&, unsigned)>& body, unsigned threads, unsigned block,
                 unsigned blocks, std::size_t shared, std::uint64_t seed) {
  ThreadTeam team(seed);
  BlockState state(team, threads, block, blocks, shared);
  std::vector<std::thread> workers;
  for (unsigned t = 0; t < threads; ++t) workers.emplace_back([&, t] { body(state, t); });
  for (std::thread& worker : workers) worker.join();
}

}  // namespace divulge::host
