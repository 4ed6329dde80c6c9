#pragma once

#include <cstddef>

#include "kernels/activation.h"
#include "kernels/block.h"
#include "kernels/losses.h"

// The stages of curvature products between the matrix products, each one pass over its block; what they do is
// said in core/curvature/host_backend.h. Blocks of m vectors are (rows, m, h) with a vector's numbers
// together.
namespace divulge::kernels {

// Elements first, first + stride, ... are a thread's.
struct Strides {
  std::size_t first, stride;

  template <class Block>
  DIVULGE_DEVICE explicit Strides(const Block& block)
      : first(std::size_t{block.block()} * block.threads() + block.thread()),
        stride(std::size_t{block.blocks()} * block.threads()) {}
};

struct Stage {
  static constexpr unsigned max_threads = 256;
};

// x (size,) = value
template <class T>
struct Fill : Stage {
  T* x = nullptr;
  std::size_t size = 0;
  T value = 0;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const Strides s(block);
    for (std::size_t i = s.first; i < size; i += s.stride) x[i] = value;
  }
};

// x (n, columns) = 1 in one column, else 0.
template <class T>
struct FillColumn : Stage {
  T* x = nullptr;
  std::size_t size = 0, columns = 1, column = 0;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const Strides s(block);
    for (std::size_t i = s.first; i < size; i += s.stride) x[i] = i % columns == column ? T(1) : T(0);
  }
};

// z (n, h) = s(z + b), b (h,) or null.
template <class T>
struct Activate : Stage {
  Activation kind = Activation::identity;
  const T* bias = nullptr;
  std::size_t size = 0, h = 1;
  T* z = nullptr;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const Strides s(block);
    for (std::size_t i = s.first; i < size; i += s.stride) {
      const T sum = bias ? z[i] + bias[i % h] : z[i];
      z[i] = with_activation(kind, [&](auto a) { return a.value(sum); });
    }
  }
};

// delta (n, h) *= s'(a); bend (n, h) = (s''/s') delta's old value, where it is not null.
template <class T>
struct Backpropagate : Stage {
  Activation kind = Activation::identity;
  const T* a = nullptr;
  std::size_t size = 0;
  T *delta = nullptr, *bend = nullptr;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const Strides s(block);
    for (std::size_t i = s.first; i < size; i += s.stride) {
      if (bend) bend[i] = with_activation(kind, [&](auto f) { return f.bend(a[i]); }) * delta[i];
      delta[i] *= with_activation(kind, [&](auto f) { return f.slope(a[i]); });
    }
  }
};

// r (n, m, h) = s'(a (n, h)) (r + c (m, h)), c may be null.
template <class T>
struct Tangent : Stage {
  Activation kind = Activation::identity;
  const T *a = nullptr, *c = nullptr;
  std::size_t size = 0, m = 1, h = 1;
  T* r = nullptr;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const Strides s(block);
    for (std::size_t i = s.first; i < size; i += s.stride) {
      const T at = a[i / (m * h) * h + i % h], sum = c ? r[i] + c[i % (m * h)] : r[i];
      r[i] = with_activation(kind, [&](auto f) { return f.slope(at); }) * sum;
    }
  }
};

// ra (n, m, h) = s'(a (n, h)) r + bend (n, h) ra; bend may be null.
template <class T>
struct TangentBackward : Stage {
  Activation kind = Activation::identity;
  const T *a = nullptr, *bend = nullptr, *r = nullptr;
  std::size_t size = 0, m = 1, h = 1;
  T* ra = nullptr;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const Strides s(block);
    for (std::size_t i = s.first; i < size; i += s.stride) {
      const std::size_t at = i / (m * h) * h + i % h;
      const T own = with_activation(kind, [&](auto f) { return f.slope(a[at]); }) * r[i];
      ra[i] = bend ? own + bend[at] * ra[i] : own;
    }
  }
};

// Losses (n,) (may be null), gradients (n, k) by z (n, k) and the curvatures (n, k) there; y (n, targets).
template <class T>
struct EvaluateLoss : Stage {
  LossKind kind = LossKind::cross_entropy;
  T temperature = 0;
  const T *z = nullptr, *y = nullptr;
  std::size_t n = 0, k = 1, targets = 1;
  T *losses = nullptr, *gradients = nullptr, *curvature = nullptr;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const Strides s(block);
    for (std::size_t i = s.first; i < n; i += s.stride) {
      const T value = with_loss(kind, [&](auto loss) {
        return loss.evaluate(z + i * k, y + i * targets, k, temperature, gradients + i * k,
                             curvature + i * k);
      });
      if (losses) losses[i] = value;
    }
  }
};

// r (n, m, k) = H_loss (r + c), with c (m, k) or null.
template <class T>
struct LossHessian : Stage {
  LossKind kind = LossKind::cross_entropy;
  const T *curvature = nullptr, *c = nullptr;
  std::size_t n = 0, m = 1, k = 1;
  T* r = nullptr;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const Strides s(block);
    for (std::size_t i = s.first; i < n * m; i += s.stride) {
      T* v = r + i * k;
      for (std::size_t l = 0; c && l < k; ++l) v[l] += c[i % m * k + l];
      with_loss(kind, [&](auto loss) { loss.hessian_product(curvature + i / m * k, k, v, v); });
    }
  }
};

// scores (m, n) += sum over h of delta (n, h) (u (n, m, h) + c (m, h)), c may be null; a warp a sum.
template <class T>
struct AddRowDots : Stage {
  const T *delta = nullptr, *u = nullptr, *c = nullptr;
  std::size_t n = 0, m = 1, h = 1, stride = 0;  // of the rows of scores
  T* scores = nullptr;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const std::size_t first = std::size_t{block.block()} * warps(block) + warp(block);
    for (std::size_t i = first; i < n * m; i += std::size_t{block.blocks()} * warps(block)) {
      const std::size_t row = i / m, j = i % m;
      T sum = 0;
      for (std::size_t k = lane(block); k < h; k += warp_size)
        sum += delta[row * h + k] * (u[i * h + k] + (c ? c[j * h + k] : T(0)));
      sum = warp_sum(block, sum);
      if (lane(block) == 0) scores[j * stride + row] += sum;
    }
  }
};

// One layer's part of flat vectors (m, P), from `offset` on, as V (m h, d), as (h, m d) where `mixed` is not
// null, and c (m h,) where `bias` is not.
template <class T>
struct PackVectors : Stage {
  const T* vectors = nullptr;
  std::size_t parameters = 0, offset = 0, m = 1, h = 1, d = 1;
  T *weight = nullptr, *mixed = nullptr, *bias = nullptr;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const Strides s(block);
    for (std::size_t i = s.first; i < m * h * d; i += s.stride) {
      const std::size_t j = i / (h * d), k = i / d % h, x = i % d;
      const T v = vectors[j * parameters + offset + i % (h * d)];
      weight[i] = v;
      if (mixed) mixed[(k * m + j) * d + x] = v;
    }
    for (std::size_t i = s.first; bias && i < m * h; i += s.stride)
      bias[i] = vectors[i / h * parameters + offset + h * d + i % h];
  }
};

// The way back: out (m, P) = scale (V + its second form).
template <class T>
struct UnpackVectors : Stage {
  const T *weight = nullptr, *mixed = nullptr, *bias = nullptr;
  std::size_t parameters = 0, offset = 0, m = 1, h = 1, d = 1;
  T scale = 1;
  T* out = nullptr;

  template <class Block>
  DIVULGE_DEVICE void operator()(Block& block) const {
    const Strides s(block);
    for (std::size_t i = s.first; i < m * h * d; i += s.stride) {
      const std::size_t j = i / (h * d), k = i / d % h, x = i % d;
      const T v = mixed ? weight[i] + mixed[(k * m + j) * d + x] : weight[i];
      out[j * parameters + offset + i % (h * d)] = scale * v;
    }
    for (std::size_t i = s.first; bias && i < m * h; i += s.stride)
      out[i / h * parameters + offset + h * d + i % h] = scale * bias[i];
  }
};

}  // namespace divulge::kernels
