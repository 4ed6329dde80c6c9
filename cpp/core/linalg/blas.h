#pragma once

#include <string>
#include <vector>

#include "core/linalg/matrix.h"

// The one seam to BLAS and LAPACK: nothing else names them. All functions exist for float and double, run on
// the calling thread alone, may be called from several threads at once, accept empty operands, and throw
// std::invalid_argument when shapes do not fit together.
namespace divulge {

enum class Op { none, transpose };

// c (m, n) = alpha op(a) (m, k) op(b) (k, n) + beta c. With beta = 0 the old content of c is not read.
template <class T>
void gemm(Op op_a, Op op_b, Input<T> alpha, ConstMatrix<T> a, ConstMatrix<T> b, Input<T> beta,
          MatrixView<T> c);

// Lower triangle of c (n, n) = alpha a' a + beta c, for a (k, n). The rest of c is left alone.
template <class T>
void syrk(Input<T> alpha, ConstMatrix<T> a, Input<T> beta, MatrixView<T> c);

// y (m,) = alpha op(a) (m, k) x (k,) + beta y. With beta = 0 the old content of y is not read.
template <class T>
void gemv(Op op_a, Input<T> alpha, ConstMatrix<T> a, ConstSpan<T> x, Input<T> beta, Span<T> y);

// x.y
template <class T>
T dot(Span<const T> x, Span<const T> y);

// a (m, n) = Q R by Householder reflections, m >= n: solves many least-squares problems with one matrix.
// LAPACK works in blocks of columns: 784 by 128 takes 2.0 ms, 784 by 512 12 ms, against 4.1 and 56 ms by
// householder.h.
template <class T>
class QrFactor {
 public:
  explicit QrFactor(MatrixView<const T> a);

  // An estimate of 1 / cond_1(R), in [0, 1]; 0 when a is singular.
  T reciprocal_condition() const;

  // columns (n, n) = R', so that its row j is column j of R: zero from entry j + 1 on.
  void copy_r(MatrixView<T> columns) const;

  // Each row b of rows (k, m) becomes Q'b: the n entries that R x has to meet, then m - n that no x can.
  void rotate(MatrixView<T> rows) const;

  // x (n, k) = argmin |a x - b|_F for b (m, k). Throws std::runtime_error when R has a zero on its diagonal.
  void solve(MatrixView<const T> b, MatrixView<T> x) const;

 private:
  std::size_t rows_, cols_;
  std::vector<T> factor_;  // R in the upper triangle of the column-major (m, n), reflectors elsewhere
  std::vector<T> tau_;     // (n,)
};

// Replaces the lower triangle of a (n, n) by L with a = L L'. Reads the lower triangle only.
// Throws std::runtime_error when a is not positive definite.
template <class T>
void cholesky(MatrixView<T> a);

// b (n, k) = (L L')^-1 b, with L as cholesky() left it.
template <class T>
void cholesky_solve(MatrixView<const T> factor, MatrixView<T> b);

// Replaces the lower triangle, L as cholesky() left it, by that of (L L')^-1.
template <class T>
void cholesky_inverse(MatrixView<T> factor);

// Name, version and target of the library behind this seam.
std::string blas_description();

}  // namespace divulge
