#pragma once

#include <cmath>

#include "kernels/hd.h"

// Householder QR, as far as the host and a device share it.
namespace divulge::kernels {

// Whether a column of squared length `whole`, of which `left` lies off the span of those before it, counts.
DIVULGE_HD inline bool off_the_span(double left, double whole, double tolerance) {
  return left > tolerance * tolerance * whole;
}

// The reflection of a column with first entry x and length `size` onto its first entry: v is the column with
// first entry `v`, y -= scale v (v.y) reflects y, and the column becomes (head, 0, ...).
struct Reflector {
  double head, v, scale;
};

DIVULGE_HD inline Reflector reflector(double x, double size) {
  const double head = x > 0 ? -size : size;
  return {head, x - head, 1 / (size * std::abs(x - head))};
}

}  // namespace divulge::kernels
