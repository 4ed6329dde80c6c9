#pragma once

#include "core/curvature/curvature.h"

// Closed forms for a chain of one layer, z = W x + b: a generalised linear model. With x~ = (x, 1) (x where
// there is no bias) and A_i (K, K) the Hessian of sample i's loss by z, the Hessian of the mean loss has the
// blocks H_ab = (1/n) sum_i A_i,ab x~_i x~_i'.
namespace divulge {

// out (P, P), in the order of the flat parameters, both triangles. Each block is one symmetric rank update:
// the softmax's A_ab = -p_a p_b has one sign off the diagonal, and H_aa = -sum_{b != a} H_ab.
template <class T>
void glm_hessian(const Curvature<T>& curvature, MatrixView<double> out);

// out (n, K K): M_i,ab = x~_i' [H^-1]_ab x~_i, from the inverse (P, P), lower triangle.
template <class T>
void glm_leverages(const Curvature<T>& curvature, MatrixView<const double> inverse, MatrixView<T> out);

// out (n, K K): A_i.
template <class T>
void glm_loss_hessians(const Curvature<T>& curvature, MatrixView<T> out);

}  // namespace divulge
