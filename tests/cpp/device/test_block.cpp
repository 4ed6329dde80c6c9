#include <doctest/doctest.h>

#include <stdexcept>

#include "device/schedule.h"
#include "kernels/block.h"

using namespace divulge;

TEST_CASE("fibres that wait for ever are noticed") {
  const auto body = [](host::BlockState& state, unsigned thread) {
    host::HostBlock block(state, thread);
    if (thread != 3) block.barrier();
  };
  CHECK_THROWS_AS(host::run_fibres(body, 32, 0, 1, 0, 1), std::logic_error);
}

TEST_CASE("sums and prefix sums over a block") {
  for (const unsigned threads : {32u, 64u, 160u})
    for (const auto run : {host::run_fibres, host::run_threads}) {
      std::vector<int> sums(threads), before(threads), totals(threads);
      const auto body = [&](host::BlockState& state, unsigned thread) {
        host::HostBlock block(state, thread);
        int* scratch = reinterpret_cast<int*>(block.shared());
        sums[thread] = kernels::block_sum(block, static_cast<int>(thread), scratch);
        block.barrier();
        const auto prefix = kernels::block_prefix(block, thread % 3 == 1 ? 5 : 0,
                                                  reinterpret_cast<unsigned*>(block.shared()));
        before[thread] = static_cast<int>(prefix.before);
        totals[thread] = static_cast<int>(prefix.total);
      };
      run(body, threads, 0, 1, 64, threads);
      for (unsigned t = 0; t < threads; ++t) {
        CHECK(sums[t] == static_cast<int>(threads * (threads - 1) / 2));
        CHECK(before[t] == static_cast<int>(5 * ((t + 1) / 3)));
        CHECK(totals[t] == static_cast<int>(5 * ((threads + 1) / 3)));
      }
    }
}
