#pragma once

#include <cmath>

#include "kernels/hd.h"

// One line x = u + t v of a piecewise-linear function: tangents and the arctan scale.
namespace divulge::kernels {

// Where the tangents (t_a, f_a, s_a) and (t_c, f_c, s_c) meet, s_a != s_c. Measured from t_a, so that nothing
// cancels when both points are near the kink.
DIVULGE_HD inline double tangents_meet(double t_a, double f_a, double s_a, double t_c, double f_c,
                                       double s_c) {
  return t_a + (f_c - f_a - s_c * (t_c - t_a)) / (s_a - s_c);
}

// The t between a and c whose arctan(t / scale) is half-way, without computing an arctan:
// tan((A + C) / 2) = (sin A + sin C) / (cos A + cos C).
DIVULGE_HD inline double arctan_midpoint(double a, double c, double scale) {
  const double weight_a = std::sqrt(c * c + scale * scale), weight_c = std::sqrt(a * a + scale * scale);
  return (a * weight_a + c * weight_c) / (weight_a + weight_c);
}

}  // namespace divulge::kernels
