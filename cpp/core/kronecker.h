#pragma once

#include <vector>

#include "core/curvature.h"

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

}  // namespace divulge
