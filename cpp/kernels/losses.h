#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/hd.h"

// Losses of one sample: K outputs z, target y. Each gives the value, the gradient by z (k,) and a vector
// c (k,) from which its Hessian by z is applied.
namespace divulge {

enum class LossKind { cross_entropy, squared, smooth_hinge };

struct Loss {
  LossKind kind = LossKind::cross_entropy;
  double temperature = 0;  // of the smooth hinge
};

namespace kernels {

// -log softmax(z)_y; the Hessian is diag(c) - c c' with c = softmax(z). A class that there is not gives NaN.
struct CrossEntropy {
  template <class T>
  DIVULGE_HD static T evaluate(const T* z, const T* y, std::size_t k, T, T* gradient, T* c) {
    T top = z[0], sum = 0;
    for (std::size_t j = 1; j < k; ++j) top = z[j] > top ? z[j] : top;
    for (std::size_t j = 0; j < k; ++j) sum += c[j] = std::exp(z[j] - top);
    for (std::size_t j = 0; j < k; ++j) gradient[j] = c[j] = c[j] / sum;
    if (!(y[0] >= T(0) && y[0] < T(k))) return gradient[0] = c[0] = T(NAN);
    const auto target = static_cast<std::size_t>(y[0]);
    T others = 0;  // 1 - p of a label that is almost sure, without the rounding of p - 1
    for (std::size_t j = 0; j < k; ++j) others += j == target ? T(0) : c[j];
    gradient[target] = -others;
    return std::log(sum) + top - z[target];
  }
  template <class T>
  DIVULGE_HD static void hessian_product(const T* c, std::size_t k, const T* v, T* out) {
    T mean = 0;
    for (std::size_t j = 0; j < k; ++j) mean += c[j] * v[j];
    for (std::size_t j = 0; j < k; ++j) out[j] = c[j] * (v[j] - mean);
  }
};

// |z - y|^2 / 2; the Hessian is the identity.
struct Squared {
  template <class T>
  DIVULGE_HD static T evaluate(const T* z, const T* y, std::size_t k, T, T* gradient, T* c) {
    T sum = 0;
    for (std::size_t j = 0; j < k; ++j) {
      gradient[j] = z[j] - y[j];
      c[j] = T(1);
      sum += gradient[j] * gradient[j];
    }
    return sum / T(2);
  }
  template <class T>
  DIVULGE_HD static void hessian_product(const T*, std::size_t k, const T* v, T* out) {
    for (std::size_t j = 0; j < k; ++j) out[j] = v[j];
  }
};

// t log(1 + exp((1 - y z) / t)) of one output, y = -1 or 1 (Koh & Liang 2017, section 4.2); max(1 - y z, 0)
// at temperature t = 0. The Hessian is c = s (1 - s) / t with s the logistic function of (1 - y z) / t.
struct SmoothHinge {
  template <class T>
  DIVULGE_HD static T evaluate(const T* z, const T* y, std::size_t, T t, T* gradient, T* c) {
    const T margin = T(1) - y[0] * z[0];
    if (t == T(0)) {
      gradient[0] = margin > T(0) ? -y[0] : T(0);
      c[0] = T(0);
      return margin > T(0) ? margin : T(0);
    }
    const T small = std::exp(-std::abs(margin) / t), s = (margin > T(0) ? T(1) : small) / (T(1) + small);
    gradient[0] = -y[0] * s;
    c[0] = small / ((T(1) + small) * (T(1) + small)) / t;
    return (margin > T(0) ? margin : T(0)) + t * std::log1p(small);
  }
  template <class T>
  DIVULGE_HD static void hessian_product(const T* c, std::size_t k, const T* v, T* out) {
    for (std::size_t j = 0; j < k; ++j) out[j] = c[0] * v[j];
  }
};

// What body(L{}) returns for the loss that `kind` names.
template <class Body>
DIVULGE_HD auto with_loss(LossKind kind, const Body& body) {
  if (kind == LossKind::cross_entropy) return body(CrossEntropy{});
  if (kind == LossKind::squared) return body(Squared{});
  return body(SmoothHinge{});
}

}  // namespace kernels
}  // namespace divulge
