#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <numeric>
#include <stdexcept>

#include "device/schedule.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace divulge::host {
namespace {

constexpr std::size_t stack_bytes = 128 * 1024;

// Where a thread goes on. swapcontext() asks the system for the signal mask each time, which takes longer
// than all else; sanitizers know no other way.
struct Place {
  ucontext_t context{};
  jmp_buf jump;
  bool begun = false;
};

void go(Place& from, Place& to) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  swapcontext(&from.context, &to.context);
#else
  from.begun = true;
  if (_setjmp(from.jump) != 0) return;
  if (to.begun) _longjmp(to.jump, 1);
  setcontext(&to.context);
#endif
}

// A thread of the block, with a stack of its own; sanitizers are told of every switch.
struct Fibre {
  Place place;
  std::unique_ptr<char[]> stack;
  Group* group = nullptr;  // that it waits for, since this generation
  unsigned generation = 0;
  bool done = false;
  void* sanitizer = nullptr;
};

class FibreTeam : public Team {
 public:
  FibreTeam(unsigned threads, std::uint64_t seed) : random_(seed), fibres_(threads) {}
  FibreTeam(const FibreTeam&) = delete;
  FibreTeam& operator=(const FibreTeam&) = delete;
  ~FibreTeam() override {
#if defined(__SANITIZE_THREAD__)
    for (const Fibre& fibre : fibres_)
      if (fibre.sanitizer) __tsan_destroy_fiber(fibre.sanitizer);
#endif
  }

  void run(const std::function<void(unsigned)>& body) {
    body_ = &body;
#if defined(__SANITIZE_THREAD__)
    main_sanitizer_ = __tsan_get_current_fiber();
#endif
    for (unsigned t = 0; t < fibres_.size(); ++t) start(t);
    std::vector<unsigned> order(fibres_.size());
    std::iota(order.begin(), order.end(), 0u);
    while (true) {
      std::shuffle(order.begin(), order.end(), random_);
      bool progress = false;
      for (const unsigned t : order)
        if (ready(fibres_[t])) {
          enter(t);
          progress = true;
        }
      if (error_) std::rethrow_exception(error_);
      if (!progress) break;
    }
    if (!std::all_of(fibres_.begin(), fibres_.end(), [](const Fibre& f) { return f.done; }))
      throw std::logic_error("threads of a block wait for ever: not all of them reach the same barrier");
  }

  void wait(Group& group, bool) override {
    if (++group.arrived == group.size) {
      group.arrived = 0;
      ++group.generation;
      return;
    }
    Fibre& own = fibres_[current_];
    own.group = &group;
    own.generation = group.generation;
    leave(own, false);
  }

 private:
  static bool ready(const Fibre& fibre) {
    return !fibre.done && (!fibre.group || fibre.group->generation != fibre.generation);
  }

  void start(unsigned t) {
    Fibre& fibre = fibres_[t];
    fibre.stack.reset(new char[stack_bytes]);  // not filled with zeros
    getcontext(&fibre.place.context);
    fibre.place.context.uc_stack.ss_sp = fibre.stack.get();
    fibre.place.context.uc_stack.ss_size = stack_bytes;
    fibre.place.context.uc_link = nullptr;
    const auto self = reinterpret_cast<std::uintptr_t>(this);  // makecontext passes int alone
    makecontext(&fibre.place.context, reinterpret_cast<void (*)()>(&FibreTeam::main), 2,
                static_cast<unsigned>(self >> 32), static_cast<unsigned>(self & 0xffffffffu));
#if defined(__SANITIZE_THREAD__)
    fibre.sanitizer = __tsan_create_fiber(0);
#endif
  }

  static void main(unsigned high, unsigned low) {
    auto* team = reinterpret_cast<FibreTeam*>(std::uintptr_t{high} << 32 | low);
    team->entered(nullptr);
    Fibre& own = team->fibres_[team->current_];
    try {
      (*team->body_)(team->current_);
    } catch (...) {
      team->error_ = std::current_exception();
    }
    own.done = true;
    team->leave(own, true);
  }

  // From the scheduler into a thread, and back.
  void enter(unsigned t) {
    current_ = t;
    Fibre& fibre = fibres_[t];
    fibre.group = nullptr;
#if defined(__SANITIZE_ADDRESS__)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, fibre.stack.get(), stack_bytes);
#elif defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(fibre.sanitizer, 0);
#endif
    go(scheduler_, fibre.place);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
  }

  void leave(Fibre& own, [[maybe_unused]] bool for_ever) {
    [[maybe_unused]] void* fake = nullptr;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(for_ever ? nullptr : &fake, main_stack_, main_bytes_);
#elif defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(main_sanitizer_, 0);
#endif
    go(own.place, scheduler_);
    entered(fake);
  }

  void entered([[maybe_unused]] void* fake) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, &main_stack_, &main_bytes_);
#endif
  }

  std::mt19937_64 random_;
  std::vector<Fibre> fibres_;
  const std::function<void(unsigned)>* body_ = nullptr;
  Place scheduler_;
  unsigned current_ = 0;
  std::exception_ptr error_;
  [[maybe_unused]] const void* main_stack_ = nullptr;
  [[maybe_unused]] std::size_t main_bytes_ = 0;
  [[maybe_unused]] void* main_sanitizer_ = nullptr;
};

}  // namespace

void run_fibres(const std::function<void(BlockState&, unsigned)>& body, unsigned threads, unsigned block,
                unsigned blocks, std::size_t shared, std::uint64_t seed) {
  FibreTeam team(threads, seed);
  BlockState state(team, threads, block, blocks, shared);
  team.run([&](unsigned thread) { body(state, thread); });
}

}  // namespace divulge::host
