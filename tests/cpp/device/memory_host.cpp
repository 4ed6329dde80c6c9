#include <cstring>
#include <new>

#include "device/memory.h"

namespace divulge::memory {

void* allocate(std::size_t bytes) { return ::operator new(bytes); }
void release(void* memory) { ::operator delete(memory); }
void copy_to_device(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
void copy_to_host(void* to, const void* from, std::size_t bytes) { copy_to_device(to, from, bytes); }

}  // namespace divulge::memory
