#pragma once

#include "device/launch.cuh"

#define DIVULGE_LAUNCH(Kernel)                                     \
  template void launch(const Kernel&, const Grid&, const Stream&); \
  template unsigned resident_blocks<Kernel>(unsigned, std::size_t, int);
