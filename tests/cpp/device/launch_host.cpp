// launch() on the host, for the tests.
#include "device/launch.h"
#include "device/schedule.h"
#include "kernels/all.h"
#include "kernels/launch.h"

namespace divulge {
namespace {

unsigned block_threads = 0;
std::uint64_t seed = 0;
bool on_threads = false;

}  // namespace

void test::set_schedule(unsigned threads, std::uint64_t new_seed, bool threads_of_system) {
  block_threads = threads;
  seed = new_seed;
  on_threads = threads_of_system;
}

template <class Kernel>
void launch(const Kernel& kernel, const Grid& grid, const Stream&) {
  const unsigned threads = block_threads > 0 ? block_threads : grid.threads;
  const auto body = [&kernel](host::BlockState& state, unsigned thread) {
    host::HostBlock block(state, thread);
    kernel(block);
  };
  const auto run = on_threads ? host::run_threads : host::run_fibres;
  for (unsigned b = 0; b < grid.blocks; ++b) run(body, threads, b, grid.blocks, grid.shared, seed + b);
}

// Few, so that blocks have several problems each.
template <class Kernel>
unsigned resident_blocks(unsigned, std::size_t, int) {
  return 3;
}

#define DIVULGE_LAUNCH(Kernel)                                     \
  template void launch(const Kernel&, const Grid&, const Stream&); \
  template unsigned resident_blocks<Kernel>(unsigned, std::size_t, int);
DIVULGE_KERNELS(DIVULGE_LAUNCH)
#undef DIVULGE_LAUNCH

}  // namespace divulge
