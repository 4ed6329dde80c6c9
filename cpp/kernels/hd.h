#pragma once

// Marks a body that the host and a CUDA device both compile.
#if defined(__CUDACC__)
#define DIVULGE_HD __host__ __device__
#else
#define DIVULGE_HD
#endif
