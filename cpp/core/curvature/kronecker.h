#pragma once

#include <vector>

#include "core/curvature/curvature.h"

// Kronecker-factored curvature (Martens & Grosse 2015) and its corrected eigenvalues (George et al. 2018).
// The curvature of layer l is the mean over samples and over the labels s = 1, ..., S drawn for each of
// g g' with g = delta (a, 1)': outputs' cotangents (n, S K) stand for the labels, their weights' square roots
// multiplied in.
namespace divulge {

template <class T>
struct KroneckerFactors {
  std::size_t inputs = 0, outputs = 0;  // d + 1 with a bias, else d; h
  std::vector<double> inner;            // (inputs, inputs): mean of (a, 1) (a, 1)'
  std::vector<double> outer;            // (outputs, outputs): mean of the sum over s of delta delta'
};

// One entry a layer.
template <class T>
std::vector<KroneckerFactors<T>> kronecker_factors(const Curvature<T>& curvature,
                                                   MatrixView<const T> cotangents);

// For each layer (h, inputs): the mean of the sum over s of (U' delta)_i^2 (V' (a, 1))_j^2, with the bases
// outer[l] = U (h, h) and inner[l] = V (inputs, inputs). Gradients are never formed: the squares are those of
// a rank-one matrix.
template <class T>
std::vector<std::vector<double>> kronecker_eigenvalues(const Curvature<T>& curvature,
                                                       MatrixView<const T> cotangents,
                                                       const std::vector<MatrixView<const T>>& inner,
                                                       const std::vector<MatrixView<const T>>& outer);

// diag(weights) in the basis U x V of one layer: outer U (h, h), inner V (inputs, inputs), weights (h,
// inputs).
template <class T>
struct KroneckerForm {
  MatrixView<const T> outer, inner, weights;
};

// out (n,): for each sample the sum over labels and layers of g' (U x V) diag(weights) (U x V)' g, g the
// gradient of the label's cotangent . outputs. g = delta (a, 1)' has rank one, so that g is never formed:
// the sum over j, k of (U' delta)_j^2 weights_jk (V' (a, 1))_k^2.
template <class T>
void kronecker_quadratic(const Curvature<T>& curvature, MatrixView<const T> cotangents,
                         const std::vector<KroneckerForm<T>>& forms, Span<double> out);

}  // namespace divulge
