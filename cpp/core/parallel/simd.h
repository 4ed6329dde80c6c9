#pragma once

// DIVULGE_SIMD before a function with a simple loop compiles it for several instruction sets; the loader
// picks one. Sanitizers instrument the code that picks, which runs before they are ready, so their builds
// have one version; so has Windows, whose loader cannot pick.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__) && !defined(_WIN32)
#define DIVULGE_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DIVULGE_SIMD
#endif
