#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Moving more than the caches hold: asking for what is read next, and writing what nobody reads soon.
namespace divulge {

constexpr std::size_t cache_line = 64;

// Asks for n numbers that will be read.
template <class T>
inline void prefetch([[maybe_unused]] const T* from, [[maybe_unused]] std::size_t n) {
#if defined(__GNUC__)
  const char* bytes = reinterpret_cast<const char*>(from);
  for (std::size_t b = 0; b < n * sizeof(T); b += cache_line) __builtin_prefetch(bytes + b);
#endif
}

// Copies n numbers past the caches where the processor can. Before another thread reads them, call
// finish_streams on the thread that wrote.
template <class T>
inline void stream(const T* from, std::size_t n, T* to) {
  if (n == 0) return;
  std::size_t first = 0, last = 0;  // [first, last) is whole vectors of 16 bytes at `to`
#if defined(__SSE2__)
  constexpr std::size_t width = 16 / sizeof(T);
  first = (16 - reinterpret_cast<std::uintptr_t>(to) % 16) % 16 / sizeof(T);
  first = first < n ? first : n;
  last = first + (n - first) / width * width;
  for (std::size_t j = first; j < last; j += width)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + j),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + j)));
#endif
  std::memcpy(to, from, first * sizeof(T));
  std::memcpy(to + last, from + last, (n - last) * sizeof(T));
}

inline void finish_streams() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace divulge
