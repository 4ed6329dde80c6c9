#pragma once

#include <cblas.h>

#include <limits>
#include <stdexcept>
#include <string>

// Argument checks shared by blas.cpp and lapack.cpp.
namespace divulge::detail {

inline blasint blas_int(std::size_t n) {
  if (n > static_cast<std::size_t>(std::numeric_limits<blasint>::max()))
    throw std::invalid_argument("a dimension of " + std::to_string(n) + " is too large for BLAS");
  return static_cast<blasint>(n);
}

// A leading dimension: BLAS insists on at least 1, also for empty matrices.
inline blasint leading(std::size_t n) { return n == 0 ? 1 : blas_int(n); }

inline void require_equal(const char* what, std::size_t got, std::size_t expected) {
  if (got != expected)
    throw std::invalid_argument(std::string(what) + ": expected " + std::to_string(expected) + ", got " +
                                std::to_string(got));
}

}  // namespace divulge::detail
