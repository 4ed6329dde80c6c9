#include "kernels/launch.h"

#include <stdexcept>

#include "kernels/all.h"

namespace divulge {
namespace {

[[noreturn]] void missing() {
  throw std::runtime_error(
      "built without CUDA: build with nvcc at hand and pip install -C cmake.define.DIVULGE_CUDA=ON");
}

}  // namespace

template <class Kernel>
void launch(const Kernel&, const Grid&, const Stream&) {
  missing();
}

template <class Kernel>
unsigned resident_blocks(unsigned, std::size_t, int) {
  missing();
}

#define DIVULGE_LAUNCH(Kernel)                                     \
  template void launch(const Kernel&, const Grid&, const Stream&); \
  template unsigned resident_blocks<Kernel>(unsigned, std::size_t, int);
DIVULGE_KERNELS(DIVULGE_LAUNCH)
#undef DIVULGE_LAUNCH

}  // namespace divulge
