#pragma once

#include <functional>

#include "device/host_block.h"

namespace divulge::host {

// Calls body(thread) for all threads of the block. Throws std::logic_error where some wait for ever.
void run_fibres(const std::function<void(BlockState&, unsigned)>& body, unsigned threads, unsigned block,
                unsigned blocks, std::size_t shared, std::uint64_t seed);
void run_threads(const std::function<void(BlockState&, unsigned)>& body, unsigned threads, unsigned block,
                 unsigned blocks, std::size_t shared, std::uint64_t seed);

}  // namespace divulge::host
