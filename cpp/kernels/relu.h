#pragma once

#include "kernels/hd.h"

namespace divulge::kernels {

// A unit is inactive at exactly 0, as in PyTorch. Written so that NaN is passed on.
template <class T>
DIVULGE_HD inline bool relu_active(T z) {
  return !(z <= T(0));
}

template <class T>
DIVULGE_HD inline T relu(T z) {
  return relu_active(z) ? z : T(0);
}

// What one hidden unit gives at u + t v to the value, to the slope along v and to the activation pattern,
// from its pre-activation z_u at u, the change z_v of it along v and its weight w in the output:
//   value += w max(z_u + t z_v, 0),  slope += w z_v [z_u + t z_v > 0]
template <class T>
DIVULGE_HD inline void relu_on_line(T z_u, T z_v, T w, T t, T& value, T& slope, unsigned char& active) {
  const T z = z_u + t * z_v;
  const bool on = relu_active(z);
  value += w * (on ? z : T(0));  // selects, no branches
  slope += w * (on ? z_v : T(0));
  active = on;
}

}  // namespace divulge::kernels
