#pragma once

// DIVULGE_HD marks a body that the host and a CUDA device both compile, DIVULGE_DEVICE one that nvcc compiles
// for the device alone and the host's compiler for the host, DIVULGE_INLINED one of the latter that on the
// host ends up inside its caller, so that its loops are compiled for the caller's instruction sets
// (parallel/simd.h).
#if defined(__CUDACC__)
#define DIVULGE_HD __host__ __device__
#define DIVULGE_DEVICE __device__
#define DIVULGE_INLINED __device__
#else
#define DIVULGE_HD
#define DIVULGE_DEVICE
#define DIVULGE_INLINED [[gnu::always_inline]] inline
#endif
