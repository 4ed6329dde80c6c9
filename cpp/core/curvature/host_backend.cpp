#include "core/curvature/host_backend.h"

#include "core/parallel/simd.h"

namespace divulge {
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

DIVULGE_BODY backward_row(const T* a, const T* bend, const T* r, std::size_t h, T* ra) {
  if (bend)
    for (std::size_t k = 0; k < h; ++k) ra[k] = S::slope(a[k]) * r[k] + bend[k] * ra[k];
  else
    for (std::size_t k = 0; k < h; ++k) ra[k] = S::slope(a[k]) * r[k];
}

DIVULGE_BODY backward_rows(const T* a, const T* bend, const T* r, std::size_t n, std::size_t m, std::size_t h,
                           T* ra) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j)
      backward_row<S>(a + i * h, bend ? bend + i * h : nullptr, r + (i * m + j) * h, h, ra + (i * m + j) * h);
}

DIVULGE_PLAIN_BODY tangent_body(Activation kind, const T* a, const T* c, std::size_t n, std::size_t m,
                                std::size_t h, T* r) {
  if (kind == Activation::relu) return tangent_rows<Relu>(a, c, n, m, h, r);
  if (kind == Activation::tanh) return tangent_rows<Tanh>(a, c, n, m, h, r);
  tangent_rows<Identity>(a, c, n, m, h, r);
}

DIVULGE_PLAIN_BODY backward_body(Activation kind, const T* a, const T* bend, const T* r, std::size_t n,
                                 std::size_t m, std::size_t h, T* ra) {
  if (kind == Activation::relu) return backward_rows<Relu>(a, bend, r, n, m, h, ra);
  if (kind == Activation::tanh) return backward_rows<Tanh>(a, bend, r, n, m, h, ra);
  backward_rows<Identity>(a, bend, r, n, m, h, ra);
}

// Sixteen partial sums, so that the compiler may vectorise without reordering what we wrote.
DIVULGE_PLAIN_BODY row_dot(const T* delta, const T* u, const T* c, std::size_t h, T& sum) {
  T lanes[16] = {};
  std::size_t k = 0;
  for (; k + 16 <= h; k += 16)
    for (std::size_t l = 0; l < 16; ++l) lanes[l] += delta[k + l] * (u[k + l] + (c ? c[k + l] : T(0)));
  for (; k < h; ++k) lanes[k % 16] += delta[k] * (u[k] + (c ? c[k] : T(0)));
  for (std::size_t l = 0; l < 16; ++l) sum += lanes[l];
}

DIVULGE_PLAIN_BODY row_dots_body(const T* delta, const T* u, const T* c, std::size_t n, std::size_t m,
                                 std::size_t h, std::size_t stride, T* scores) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < m; ++j)
      row_dot(delta + i * h, u + (i * m + j) * h, c ? c + j * h : nullptr, h, scores[j * stride + i]);
}

#define DIVULGE_CLONES(T)                                                                                  \
  DIVULGE_SIMD void tangent_clones(Activation kind, const T* a, const T* c, std::size_t n, std::size_t m,  \
                                   std::size_t h, T* r) {                                                  \
    tangent_body(kind, a, c, n, m, h, r);                                                                  \
  }                                                                                                        \
  DIVULGE_SIMD void backward_clones(Activation kind, const T* a, const T* bend, const T* r, std::size_t n, \
                                    std::size_t m, std::size_t h, T* ra) {                                 \
    backward_body(kind, a, bend, r, n, m, h, ra);                                                          \
  }                                                                                                        \
  DIVULGE_SIMD void row_dots_clones(const T* delta, const T* u, const T* c, std::size_t n, std::size_t m,  \
                                    std::size_t h, std::size_t stride, T* scores) {                        \
    row_dots_body(delta, u, c, n, m, h, stride, scores);                                                   \
  }
DIVULGE_CLONES(float)
DIVULGE_CLONES(double)
#undef DIVULGE_CLONES

}  // namespace

template <class T>
void HostBackend<T>::activate(Activation kind, const T* bias, std::size_t n, std::size_t h, T* z) {
  kernels::with_activation(kind, [=](auto s) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t k = 0; k < h; ++k)
        z[i * h + k] = s.value(bias ? z[i * h + k] + bias[k] : z[i * h + k]);
  });
}

template <class T>
void HostBackend<T>::backpropagate(Activation kind, const T* a, std::size_t size, T* delta, T* bend) {
  kernels::with_activation(kind, [=](auto s) {
    for (std::size_t k = 0; k < size; ++k) {
      if (bend) bend[k] = s.bend(a[k]) * delta[k];
      delta[k] *= s.slope(a[k]);
    }
  });
}

template <class T>
void HostBackend<T>::tangent(Activation kind, const T* a, const T* c, std::size_t n, std::size_t m,
                             std::size_t h, T* r) {
  tangent_clones(kind, a, c, n, m, h, r);
}

template <class T>
void HostBackend<T>::tangent_backward(Activation kind, const T* a, const T* bend, const T* r, std::size_t n,
                                      std::size_t m, std::size_t h, T* ra) {
  backward_clones(kind, a, bend, r, n, m, h, ra);
}

template <class T>
void HostBackend<T>::evaluate_loss(const Loss& loss, const T* z, const T* y, std::size_t n, std::size_t k,
                                   std::size_t targets, T* losses, T* gradients, T* curvature) {
  const T temperature = static_cast<T>(loss.temperature);
  kernels::with_loss(loss.kind, [=](auto of) {
    for (std::size_t i = 0; i < n; ++i) {
      const T value =
          of.evaluate(z + i * k, y + i * targets, k, temperature, gradients + i * k, curvature + i * k);
      if (losses) losses[i] = value;
    }
  });
}

template <class T>
void HostBackend<T>::loss_hessian(const Loss& loss, const T* curvature, const T* c, std::size_t n,
                                  std::size_t m, std::size_t k, T* r) {
  kernels::with_loss(loss.kind, [=](auto of) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < m; ++j) {
        T* v = r + (i * m + j) * k;
        for (std::size_t l = 0; c && l < k; ++l) v[l] += c[j * k + l];
        of.hessian_product(curvature + i * k, k, v, v);
      }
  });
}

template <class T>
void HostBackend<T>::add_row_dots(const T* delta, const T* u, const T* c, std::size_t n, std::size_t m,
                                  std::size_t h, std::size_t stride, T* scores) {
  row_dots_clones(delta, u, c, n, m, h, stride, scores);
}

template struct HostBackend<float>;
template struct HostBackend<double>;

}  // namespace divulge
