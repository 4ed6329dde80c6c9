#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "core/linalg/blas.h"

using namespace divulge;

namespace {

// Owns what a MatrixView shows.
template <class T>
struct Matrix {
  Matrix(std::size_t m, std::size_t n, T fill = 0) : rows(m), cols(n), values(m * n, fill) {}

  MatrixView<T> view() { return {values.data(), rows, cols}; }
  T operator()(std::size_t i, std::size_t j) const { return values[i * cols + j]; }

  std::size_t rows, cols;
  std::vector<T> values;
};

template <class T>
Matrix<T> random_matrix(std::size_t m, std::size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<T> normal;
  Matrix<T> a(m, n);
  for (T& v : a.values) v = normal(engine);
  return a;
}

template <class T>
T entry(Op op, const Matrix<T>& a, std::size_t i, std::size_t j) {
  return op == Op::none ? a(i, j) : a(j, i);
}

// c(i, j) of alpha op(a) op(b) + beta c by the definition.
template <class T>
Matrix<T> naive_gemm(Op op_a, Op op_b, T alpha, const Matrix<T>& a, const Matrix<T>& b, T beta, Matrix<T> c) {
  const std::size_t k = op_a == Op::none ? a.cols : a.rows;
  for (std::size_t i = 0; i < c.rows; ++i)
    for (std::size_t j = 0; j < c.cols; ++j) {
      T sum = 0;
      for (std::size_t l = 0; l < k; ++l) sum += entry(op_a, a, i, l) * entry(op_b, b, l, j);
      T& out = c.values[i * c.cols + j];
      out = alpha * sum + (beta == T(0) ? T(0) : beta * out);
    }
  return c;
}

template <class T>
void check_close(const Matrix<T>& got, const Matrix<T>& expected, T scale = 1) {
  REQUIRE(got.values.size() == expected.values.size());
  const T tolerance = 100 * scale * std::numeric_limits<T>::epsilon();
  for (std::size_t i = 0; i < got.values.size(); ++i)
    REQUIRE(std::abs(got.values[i] - expected.values[i]) <= tolerance * (1 + std::abs(expected.values[i])));
}

template <class T>
void check_gemm(Op op_a, Op op_b, std::size_t m, std::size_t n, std::size_t k, T beta) {
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  Matrix<T> a = op_a == Op::none ? random_matrix<T>(m, k, 1) : random_matrix<T>(k, m, 1);
  Matrix<T> b = op_b == Op::none ? random_matrix<T>(k, n, 2) : random_matrix<T>(n, k, 2);
  Matrix<T> c = random_matrix<T>(m, n, 3);
  if (beta == T(0)) c = Matrix<T>(m, n, std::numeric_limits<T>::quiet_NaN());
  const Matrix<T> expected = naive_gemm(op_a, op_b, T(1.5), a, b, beta, c);
  gemm(op_a, op_b, T(1.5), a.view(), b.view(), beta, c.view());
  check_close(c, expected, T(1 + k));
}

constexpr std::size_t sizes[] = {0, 1, 3, 8, 17, 65};
constexpr Op ops[] = {Op::none, Op::transpose};

}  // namespace

TEST_CASE_TEMPLATE("gemm follows its definition for odd and empty sizes", T, float, double) {
  for (Op op_a : ops)
    for (Op op_b : ops)
      for (std::size_t m : sizes)
        for (std::size_t n : sizes)
          for (std::size_t k : sizes)
            for (T beta : {T(0), T(1), T(-0.5)}) check_gemm<T>(op_a, op_b, m, n, k, beta);
}

TEST_CASE_TEMPLATE("gemv follows its definition for odd and empty sizes", T, float, double) {
  for (Op op : ops)
    for (std::size_t m : sizes)
      for (std::size_t n : sizes)
        for (T beta : {T(0), T(2)}) {
          Matrix<T> a = random_matrix<T>(m, n, 1);
          Matrix<T> x = random_matrix<T>(op == Op::none ? n : m, 1, 2);
          const std::size_t size = op == Op::none ? m : n;
          Matrix<T> y = random_matrix<T>(size, 1, 3);
          if (beta == T(0)) y = Matrix<T>(size, 1, std::numeric_limits<T>::quiet_NaN());
          const Matrix<T> expected = naive_gemm(op, Op::none, T(-2), a, x, beta, y);
          gemv(op, T(-2), a.view(), Span<T>{x.values.data(), x.rows}, beta, Span<T>{y.values.data(), size});
          check_close(y, expected, T(1 + x.rows));
        }
}

TEST_CASE_TEMPLATE("dot sums products, nothing to zero", T, float, double) {
  std::vector<T> x{1, 2, 3}, y{4, -5, 6};
  CHECK(dot<T>({x.data(), 3}, {y.data(), 3}) == T(12));
  CHECK(dot<T>({nullptr, 0}, {nullptr, 0}) == T(0));
}

TEST_CASE_TEMPLATE("QR least squares leaves a residual orthogonal to the columns", T, float, double) {
  for (std::size_t n : {1, 3, 17})
    for (std::size_t m : {n, n + 1, 5 * n})
      for (std::size_t k : {0, 1, 4}) {
        Matrix<T> a = random_matrix<T>(m, n, 1), b = random_matrix<T>(m, k, 2), x(n, k), normal(n, k);
        const QrFactor<T> factor(a.view());
        factor.solve(b.view(), x.view());
        gemm(Op::none, Op::none, T(-1), a.view(), x.view(), T(1), b.view());
        gemm(Op::transpose, Op::none, T(1), a.view(), b.view(), T(0), normal.view());
        check_close(normal, Matrix<T>(n, k), T(m) / factor.reciprocal_condition());
      }
}

TEST_CASE_TEMPLATE("QR tells how well conditioned its matrix is", T, float, double) {
  Matrix<T> diagonal(3, 2);
  diagonal.values = {1, 0, 0, T(1e-3), 0, 0};
  CHECK(QrFactor<T>(diagonal.view()).reciprocal_condition() == doctest::Approx(1e-3));
  Matrix<T> dependent(3, 2);
  dependent.values = {1, 0, 1, 0, 1, 0};
  const QrFactor<T> factor(dependent.view());
  CHECK(factor.reciprocal_condition() == T(0));
  Matrix<T> b(3, 1, 1), x(2, 1);
  CHECK_THROWS_AS(factor.solve(b.view(), x.view()), std::runtime_error);
}

TEST_CASE("QR of a matrix without columns has an empty solution") {
  Matrix<double> a(4, 0), b(4, 2, 1), x(0, 2);
  const QrFactor<double> factor(a.view());
  factor.solve(b.view(), x.view());
  CHECK(factor.reciprocal_condition() == 1);
}

TEST_CASE_TEMPLATE("Cholesky solves and restores its matrix", T, float, double) {
  for (std::size_t n : {0, 1, 3, 17, 65}) {
    Matrix<T> g = random_matrix<T>(2 * n, n, 1), a(n, n), x = random_matrix<T>(n, 3, 2), b(n, 3);
    for (std::size_t i = 0; i < n; ++i) a.values[i * n + i] = T(n);
    gemm(Op::transpose, Op::none, T(1), g.view(), g.view(), T(1), a.view());
    gemm(Op::none, Op::none, T(1), a.view(), x.view(), T(0), b.view());
    cholesky(a.view());
    cholesky_solve<T>(a.view(), b.view());
    check_close(b, x, T(1 + n));
  }
}

TEST_CASE("Cholesky refuses an indefinite matrix and names the minor") {
  Matrix<double> a(2, 2);
  a.values = {1, 0, 0, -1};
  CHECK_THROWS_WITH_AS(cholesky(a.view()), "cholesky: the leading minor of order 2 is not positive definite",
                       std::runtime_error);
}

TEST_CASE("shapes that do not fit are refused with both numbers") {
  Matrix<double> a(2, 3), b(4, 5), c(2, 5), square(3, 3);
  CHECK_THROWS_WITH_AS(gemm(Op::none, Op::none, 1, a.view(), b.view(), 0, c.view()),
                       "gemm: rows of op(b): expected 3, got 4", std::invalid_argument);
  CHECK_THROWS_AS(gemv(Op::none, 1, a.view(), a.view().row(0), 0, b.view().row(0)), std::invalid_argument);
  CHECK_THROWS_AS(QrFactor<double>(a.view()), std::invalid_argument);
  CHECK_THROWS_AS(QrFactor<double>(square.view()).solve(a.view(), a.view()), std::invalid_argument);
  CHECK_THROWS_AS(cholesky(a.view()), std::invalid_argument);
  CHECK_THROWS_AS(cholesky_solve<double>(square.view(), a.view()), std::invalid_argument);
}

TEST_CASE("OpenBLAS says what it is") { CHECK(blas_description().find("OpenBLAS 0.3") != std::string::npos); }
