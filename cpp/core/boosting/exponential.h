#pragma once

#include <cstdint>
#include <cstring>

namespace divulge {

// e^x to two units in the last place, of x cut to [-708, 709], without a branch or a call, so that loops over
// it are vectorised: e^x = 2^k e^r, |r| <= ln 2 / 2, and e^r by its series.
inline double exponential(double x) {
  constexpr double shift = 6755399441055744.0;  // 1.5 2^52: adding it rounds to a whole number
  constexpr double log2_e = 1.4426950408889634;
  constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  x = x < -708.0 ? -708.0 : x;
  x = x > 709.0 ? 709.0 : x;
  const double shifted = x * log2_e + shift, k = shifted - shift;
  const double r = (x - k * ln2_high) - k * ln2_low;
  double sum = 1.0 / 6227020800.0;
  sum = sum * r + 1.0 / 479001600.0;
  sum = sum * r + 1.0 / 39916800.0;
  sum = sum * r + 1.0 / 3628800.0;
  sum = sum * r + 1.0 / 362880.0;
  sum = sum * r + 1.0 / 40320.0;
  sum = sum * r + 1.0 / 5040.0;
  sum = sum * r + 1.0 / 720.0;
  sum = sum * r + 1.0 / 120.0;
  sum = sum * r + 1.0 / 24.0;
  sum = sum * r + 1.0 / 6.0;
  sum = sum * r + 0.5;
  sum = sum * r + 1.0;
  sum = sum * r + 1.0;
  std::uint64_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 1023) << 52;  // the exponent of 2^k; what is above it is shifted out
  double power;
  std::memcpy(&power, &bits, sizeof power);
  return sum * power;
}

}  // namespace divulge
