#include <doctest/doctest.h>

#include <cmath>

#include "core/curvature/glm.h"
#include "core/curvature/kronecker.h"
#include "core/linalg/blas.h"
#include "networks.h"

using namespace divulge;
using divulge::test::normal_numbers;

namespace {

constexpr std::size_t n = 700, d = 5, classes = 3;

std::vector<double> inputs() { return normal_numbers(n * d, 1); }

std::vector<double> targets() {
  std::vector<double> y(n);
  for (std::size_t i = 0; i < n; ++i) y[i] = static_cast<double>(i % classes);
  return y;
}

// d-4-K with tanh, or d-K where `hidden` is false; the parameters are shifted by step v.
Chain<double> chain(bool hidden, double step = 0, const std::vector<double>& v = {}) {
  std::vector<ChainLayer<double>> layers(hidden ? 2 : 1);
  std::size_t offset = 0;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l].inputs = l == 0 ? d : 4;
    layers[l].outputs = l + 1 == layers.size() ? classes : 4;
    layers[l].activation = l + 1 == layers.size() ? Activation::identity : Activation::tanh;
    layers[l].weight = normal_numbers(layers[l].inputs * layers[l].outputs, 10 + l);
    layers[l].bias = normal_numbers(layers[l].outputs, 20 + l);
    for (std::vector<double>* part : {&layers[l].weight, &layers[l].bias})
      for (double& value : *part) value += v.empty() ? 0 : step * v[offset++];
  }
  return Chain<double>(std::move(layers));
}

}  // namespace

TEST_CASE("a product is the difference of gradients along the vector") {
  const std::vector<double> x = inputs(), y = targets();
  const std::size_t p = chain(true).parameters();
  const std::vector<double> v = normal_numbers(2 * p, 3);
  for (const bool cached : {true, false}) {
    const Curvature<double> middle(chain(true), {}, {x.data(), n, d}, {y.data(), n, 1}, cached);
    std::vector<double> product(2 * p), up(p), down(p);
    middle.products(CurvatureKind::hessian, {v.data(), 2, p}, {product.data(), 2, p});
    const double step = 1e-5;
    const Curvature<double> right(chain(true, step, v), {}, {x.data(), n, d}, {y.data(), n, 1}, cached);
    const Curvature<double> left(chain(true, -step, v), {}, {x.data(), n, d}, {y.data(), n, 1}, cached);
    right.gradient({up.data(), p});
    left.gradient({down.data(), p});
    for (std::size_t k = 0; k < p; ++k)
      CHECK(product[k] == doctest::Approx((up[k] - down[k]) / (2 * step)).epsilon(1e-6));
  }
}

TEST_CASE("scores are the inner products with the samples' gradients") {
  const std::vector<double> x = inputs(), y = targets();
  const Curvature<double> curvature(chain(true), {}, {x.data(), n, d}, {y.data(), n, 1}, true);
  const std::size_t p = curvature.chain().parameters();
  const std::vector<double> v = normal_numbers(3 * p, 3);
  std::vector<double> z(n * classes), cotangents(n * classes), losses(n), gradients(n * p), scores(3 * n),
      expected(3 * n);
  curvature.evaluate({z.data(), n, classes}, {cotangents.data(), n, classes}, {losses.data(), n});
  curvature.sample_gradients({cotangents.data(), n, classes}, {gradients.data(), n, p});
  curvature.scores({v.data(), 3, p}, {scores.data(), 3, n});
  gemm<double>(Op::none, Op::transpose, 1, {v.data(), 3, p}, {gradients.data(), n, p}, 0,
               {expected.data(), 3, n});
  for (std::size_t k = 0; k < scores.size(); ++k) CHECK(scores[k] == doctest::Approx(expected[k]));
}

TEST_CASE("the Hessian of one layer is that of its products") {
  const std::vector<double> x = inputs(), y = targets();
  const Curvature<double> curvature(chain(false), {}, {x.data(), n, d}, {y.data(), n, 1}, true);
  const std::size_t p = curvature.chain().parameters();
  std::vector<double> identity(p * p), columns(p * p), dense(p * p), leverages(n * classes * classes);
  for (std::size_t k = 0; k < p; ++k) identity[k * p + k] = 1;
  curvature.products(CurvatureKind::hessian, {identity.data(), p, p}, {columns.data(), p, p});
  glm_hessian(curvature, {dense.data(), p, p});
  for (std::size_t k = 0; k < p * p; ++k) CHECK(dense[k] == doctest::Approx(columns[k]).epsilon(1e-9));
  glm_leverages(curvature, {identity.data(), p, p}, {leverages.data(), n, classes * classes});
  double norm = 1;
  for (std::size_t j = 0; j < d; ++j) norm += x[j] * x[j];
  CHECK(leverages[0] == doctest::Approx(norm));
  CHECK(leverages[1] == doctest::Approx(0));
}

TEST_CASE("Kronecker factors have the mean squares on their diagonals") {
  const std::vector<double> x = inputs(), y = targets(), c = normal_numbers(n * classes, 5);
  const Curvature<double> curvature(chain(false), {}, {x.data(), n, d}, {y.data(), n, 1}, false);
  const auto factors = kronecker_factors<double>(curvature, {c.data(), n, classes});
  double input = 0, cotangent = 0;
  for (std::size_t i = 0; i < n; ++i) {
    input += x[i * d] * x[i * d] / n;
    cotangent += c[i * classes] * c[i * classes] / n;
  }
  CHECK(factors[0].inner[0] == doctest::Approx(input));
  CHECK(factors[0].inner[(d + 1) * (d + 1) - 1] == doctest::Approx(1));
  CHECK(factors[0].outer[0] == doctest::Approx(cotangent));
}
