#pragma once

// DIVULGE_HD marks a body that the host and a CUDA device both compile, DIVULGE_DEVICE one that nvcc compiles
// for the device alone and the host's compiler for the host.
#if defined(__CUDACC__)
#define DIVULGE_HD __host__ __device__
#define DIVULGE_DEVICE __device__
#else
#define DIVULGE_HD
#define DIVULGE_DEVICE
#endif
