#include "core/curvature/elementwise.h"

#include "core/parallel/simd.h"
#include "kernels/activation.h"
#include "kernels/losses.h"

namespace divulge::elementwise {
namespace {

using kernels::Identity;
using kernels::Relu;
using kernels::Tanh;

// The bodies below are inlined into one wrapper a type, which the compiler clones for each instruction set.
#define DIVULGE_BODY          \
  template <class S, class T> \
  [[gnu::always_inline]] inline void
#define DIVULGE_PLAIN_BODY \
  template <class T>       \
  [[gnu::always_inline]] inline void

DIVULGE_BODY tangent_row(const T* a, const T* c, std::size_t h, T* r) {
  if (c)
    for (std::size_t k = 0; k < h; ++k) r[k] = S::slope(a[k]) * (r[k] + c[k]);
  else
    for (std::size_t k = 0; k < h; ++k) r[k] = S::slope(a[k]) * r[k];
}

DIVULGE_BODY tangent_rows(const T* a, const T* c, std::size_t n, std::size_t m, std::size_t h, T* r) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j)
      tangent_row<S>(a + i * h, c ? c + j * h : nullptr, h, r + (i * m + j) * h);
}

DIVULGE_BODY backward_row(const T* a, const T* bend, const T* ra, std::size_t h, T* r) {
  if (bend)
    for (std::size_t k = 0; k < h; ++k) r[k] = S::slope(a[k]) * r[k] + bend[k] * ra[k];
  else
    for (std::size_t k = 0; k < h; ++k) r[k] = S::slope(a[k]) * r[k];
}

DIVULGE_BODY backward_rows(const T* a, const T* bend, const T* ra, std::size_t n, std::size_t m,
                           std::size_t h, T* r) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j)
      backward_row<S>(a + i * h, bend ? bend + i * h : nullptr, ra + (i * m + j) * h, h, r + (i * m + j) * h);
}

DIVULGE_PLAIN_BODY tangent_body(Activation kind, const T* a, const T* c, std::size_t n, std::size_t m,
                                std::size_t h, T* r) {
  if (kind == Activation::relu) return tangent_rows<Relu>(a, c, n, m, h, r);
  if (kind == Activation::tanh) return tangent_rows<Tanh>(a, c, n, m, h, r);
  tangent_rows<Identity>(a, c, n, m, h, r);
}

DIVULGE_PLAIN_BODY backward_body(Activation kind, const T* a, const T* bend, const T* ra, std::size_t n,
                                 std::size_t m, std::size_t h, T* r) {
  if (kind == Activation::relu) return backward_rows<Relu>(a, bend, ra, n, m, h, r);
  if (kind == Activation::tanh) return backward_rows<Tanh>(a, bend, ra, n, m, h, r);
  backward_rows<Identity>(a, bend, ra, n, m, h, r);
}

// Eight partial sums, so that the compiler may vectorise without reordering what we wrote.
DIVULGE_PLAIN_BODY row_dot(const T* delta, const T* u, const T* c, std::size_t h, T& sum) {
  T lanes[16] = {};
  std::size_t k = 0;
  for (; k + 16 <= h; k += 16)
    for (std::size_t l = 0; l < 16; ++l) lanes[l] += delta[k + l] * (u[k + l] + (c ? c[k + l] : T(0)));
  for (; k < h; ++k) lanes[k % 16] += delta[k] * (u[k] + (c ? c[k] : T(0)));
  for (std::size_t l = 0; l < 16; ++l) sum += lanes[l];
}

DIVULGE_PLAIN_BODY row_dots_body(const T* delta, const T* u, const T* c, std::size_t n, std::size_t m,
                                 std::size_t h, T* scores) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j)
      row_dot(delta + i * h, u + (i * m + j) * h, c ? c + j * h : nullptr, h, scores[i * m + j]);
}

#define DIVULGE_CLONES(T)                                                                                   \
  DIVULGE_SIMD void tangent_clones(Activation kind, const T* a, const T* c, std::size_t n, std::size_t m,   \
                                   std::size_t h, T* r) {                                                   \
    tangent_body(kind, a, c, n, m, h, r);                                                                   \
  }                                                                                                         \
  DIVULGE_SIMD void backward_clones(Activation kind, const T* a, const T* bend, const T* ra, std::size_t n, \
                                    std::size_t m, std::size_t h, T* r) {                                   \
    backward_body(kind, a, bend, ra, n, m, h, r);                                                           \
  }                                                                                                         \
  DIVULGE_SIMD void row_dots_clones(const T* delta, const T* u, const T* c, std::size_t n, std::size_t m,   \
                                    std::size_t h, T* scores) {                                             \
    row_dots_body(delta, u, c, n, m, h, scores);                                                            \
  }
DIVULGE_CLONES(float)
DIVULGE_CLONES(double)
#undef DIVULGE_CLONES

template <class S, class T>
void activate_as(const T* bias, std::size_t n, std::size_t h, T* z) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < h; ++k) z[i * h + k] = S::value(bias ? z[i * h + k] + bias[k] : z[i * h + k]);
}

template <class S, class T>
void backpropagate_as(const T* a, std::size_t size, T* delta, T* bend) {
  for (std::size_t k = 0; k < size; ++k) {
    if (bend) bend[k] = S::bend(a[k]) * delta[k];
    delta[k] *= S::slope(a[k]);
  }
}

template <class L, class T>
void evaluate_as(T temperature, const T* z, const T* y, std::size_t n, std::size_t k, std::size_t targets,
                 T* losses, T* gradients, T* curvature) {
  for (std::size_t i = 0; i < n; ++i) {
    const T value =
        L::evaluate(z + i * k, y + i * targets, k, temperature, gradients + i * k, curvature + i * k);
    if (losses) losses[i] = value;
  }
}

template <class L, class T>
void loss_hessian_as(const T* curvature, const T* c, std::size_t n, std::size_t m, std::size_t k, T* r) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j) {
      T* v = r + (i * m + j) * k;
      for (std::size_t l = 0; c && l < k; ++l) v[l] += c[j * k + l];
      L::hessian_product(curvature + i * k, k, v, v);
    }
}

}  // namespace

template <class T>
void activate(Activation kind, const T* bias, std::size_t n, std::size_t h, T* z) {
  if (kind == Activation::relu) return activate_as<Relu>(bias, n, h, z);
  if (kind == Activation::tanh) return activate_as<Tanh>(bias, n, h, z);
  activate_as<Identity>(bias, n, h, z);
}

template <class T>
void backpropagate(Activation kind, const T* a, std::size_t size, T* delta, T* bend) {
  if (kind == Activation::relu) return backpropagate_as<Relu>(a, size, delta, bend);
  if (kind == Activation::tanh) return backpropagate_as<Tanh>(a, size, delta, bend);
  backpropagate_as<Identity>(a, size, delta, bend);
}

template <class T>
void tangent(Activation kind, const T* a, const T* c, std::size_t n, std::size_t m, std::size_t h, T* r) {
  tangent_clones(kind, a, c, n, m, h, r);
}

template <class T>
void tangent_backward(Activation kind, const T* a, const T* bend, const T* ra, std::size_t n, std::size_t m,
                      std::size_t h, T* r) {
  backward_clones(kind, a, bend, ra, n, m, h, r);
}

template <class T>
void evaluate_loss(const Loss& loss, const T* z, const T* y, std::size_t n, std::size_t k,
                   std::size_t targets, T* losses, T* gradients, T* curvature) {
  const T t = static_cast<T>(loss.temperature);
  if (loss.kind == LossKind::cross_entropy)
    return evaluate_as<kernels::CrossEntropy>(t, z, y, n, k, targets, losses, gradients, curvature);
  if (loss.kind == LossKind::squared)
    return evaluate_as<kernels::Squared>(t, z, y, n, k, targets, losses, gradients, curvature);
  evaluate_as<kernels::SmoothHinge>(t, z, y, n, k, targets, losses, gradients, curvature);
}

template <class T>
void loss_hessian(const Loss& loss, const T* curvature, const T* c, std::size_t n, std::size_t m,
                  std::size_t k, T* r) {
  if (loss.kind == LossKind::cross_entropy)
    return loss_hessian_as<kernels::CrossEntropy>(curvature, c, n, m, k, r);
  if (loss.kind == LossKind::squared) return loss_hessian_as<kernels::Squared>(curvature, c, n, m, k, r);
  loss_hessian_as<kernels::SmoothHinge>(curvature, c, n, m, k, r);
}

template <class T>
void add_row_dots(const T* delta, const T* u, const T* c, std::size_t n, std::size_t m, std::size_t h,
                  T* scores) {
  row_dots_clones(delta, u, c, n, m, h, scores);
}

#define DIVULGE_INSTANTIATE(T)                                                                            \
  template void activate(Activation, const T*, std::size_t, std::size_t, T*);                             \
  template void backpropagate(Activation, const T*, std::size_t, T*, T*);                                 \
  template void tangent(Activation, const T*, const T*, std::size_t, std::size_t, std::size_t, T*);       \
  template void tangent_backward(Activation, const T*, const T*, const T*, std::size_t, std::size_t,      \
                                 std::size_t, T*);                                                        \
  template void evaluate_loss(const Loss&, const T*, const T*, std::size_t, std::size_t, std::size_t, T*, \
                              T*, T*);                                                                    \
  template void loss_hessian(const Loss&, const T*, const T*, std::size_t, std::size_t, std::size_t, T*); \
  template void add_row_dots(const T*, const T*, const T*, std::size_t, std::size_t, std::size_t, T*);
DIVULGE_INSTANTIATE(float)
DIVULGE_INSTANTIATE(double)
#undef DIVULGE_INSTANTIATE

}  // namespace divulge::elementwise
