#pragma once

#include <cstddef>

#include "core/curvature/chain.h"

// The elementwise stages of a chain, each one pass over its block. Blocks of m vectors are (rows, m, h) with
// a vector's numbers together.
namespace divulge::elementwise {

// z (n, h) = s(z + b), b (h,) or null.
template <class T>
void activate(Activation kind, const T* bias, std::size_t n, std::size_t h, T* z);

// delta (n, h) *= s'; where bend is not null it gets (s''/s') delta's old value.
template <class T>
void backpropagate(Activation kind, const T* a, std::size_t size, T* delta, T* bend);

// r (n, m, h) = s'(a (n, h)) (r + c (m, h)), c may be null.
template <class T>
void tangent(Activation kind, const T* a, const T* c, std::size_t n, std::size_t m, std::size_t h, T* r);

// r (n, m, h) = s'(a (n, h)) r + bend (n, h) ra (n, m, h); bend may be null.
template <class T>
void tangent_backward(Activation kind, const T* a, const T* bend, const T* ra, std::size_t n, std::size_t m,
                      std::size_t h, T* r);

// Losses (n,) (may be null), gradients (n, k) by z (n, k) and the curvatures (n, k) there; y (n, targets).
template <class T>
void evaluate_loss(const Loss& loss, const T* z, const T* y, std::size_t n, std::size_t k,
                   std::size_t targets, T* losses, T* gradients, T* curvature);

// r (n, m, k) = H_loss (r + c), with c (m, k) or null.
template <class T>
void loss_hessian(const Loss& loss, const T* curvature, const T* c, std::size_t n, std::size_t m,
                  std::size_t k, T* r);

// scores (n, m) += sum over h of delta (n, h) (u (n, m, h) + c (m, h)), c may be null.
template <class T>
void add_row_dots(const T* delta, const T* u, const T* c, std::size_t n, std::size_t m, std::size_t h,
                  T* scores);

}  // namespace divulge::elementwise
