#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

#include "core/curvature/curvature.h"
#include "core/network/network.h"
#include "cuda/curvature.h"
#include "device/host_blas.h"
#include "device/launch.h"
#include "networks.h"

using namespace divulge;
using test::normal_numbers;

namespace {

const cuda::BlasTable blas{nullptr, divulge_host_sgemm, divulge_host_dgemm};

template <class T>
struct Problem {
  std::vector<ChainLayer<T>> layers;
  Loss loss;
  std::vector<T> inputs, targets;
  std::size_t n;

  std::size_t outputs() const { return layers.back().outputs; }
  std::size_t target_size() const { return loss.kind == LossKind::squared ? outputs() : 1; }
};

template <class T>
std::vector<T> numbers(std::size_t size, std::uint64_t key) {
  const auto x = normal_numbers(size, key);
  return {x.begin(), x.end()};
}

template <class T>
Problem<T> draw(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Problem<T> p;
  p.loss.kind = static_cast<LossKind>(random() % 3);
  p.loss.temperature = 0.5;
  p.n = random() % 20;
  std::size_t width = 1 + random() % 9, count = 1 + random() % 4;
  const std::size_t d = width;
  for (std::size_t l = 0; l < count; ++l) {
    ChainLayer<T> layer;
    layer.inputs = width;
    width = 1 + random() % 9;
    if (l + 1 == count && p.loss.kind == LossKind::smooth_hinge) width = 1;
    layer.outputs = width;
    layer.activation = l + 1 == count ? Activation::identity : static_cast<Activation>(random() % 3);
    layer.weight = numbers<T>(layer.inputs * width, 10 * seed + l);
    if (random() % 3) layer.bias = numbers<T>(width, 10 * seed + l + 5);
    p.layers.push_back(layer);
  }
  p.inputs = numbers<T>(p.n * d, seed + 500);
  for (std::size_t i = 0; i < p.n * p.target_size(); ++i) {
    const double classes = static_cast<double>(random() % p.outputs());
    const double y = p.loss.kind == LossKind::cross_entropy  ? classes
                     : p.loss.kind == LossKind::smooth_hinge ? (random() % 2 ? 1.0 : -1.0)
                                                             : static_cast<double>(random() % 7) - 3;
    p.targets.push_back(static_cast<T>(y));
  }
  return p;
}

template <class T>
Curvature<T> engine(const Problem<T>& p) {
  return {Chain<T>(p.layers),
          p.loss,
          {p.inputs.data(), p.n, p.layers[0].inputs},
          {p.targets.data(), p.n, p.target_size()},
          true};
}

template <class T>
cuda::DeviceCurvature<T> on_device(const Problem<T>& p, T* state) {
  ChainView<T> layers;
  for (const ChainLayer<T>& layer : p.layers) layers.push_back(layer.view());
  return {layers, p.loss, p.inputs.data(), p.targets.data(), p.n, state};
}

template <class T>
double distance(const std::vector<T>& a, const std::vector<T>& b) {
  double largest = 1e-30, most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    largest = std::max(largest, std::abs(static_cast<double>(b[k])));
    most = std::max(most, std::isnan(a[k]) ? INFINITY : std::abs(static_cast<double>(a[k] - b[k])));
  }
  return most / largest;
}

template <class T>
void check(std::uint64_t seed) {
  const double tolerance = sizeof(T) == 4 ? 1e-4 : 1e-12;
  const Problem<T> p = draw<T>(seed);
  INFO("seed ", seed, " n ", p.n, " layers ", p.layers.size());
  const Curvature<T> expected = engine(p);
  std::vector<T> state(on_device<T>(p, nullptr).state_numbers());
  const cuda::DeviceCurvature<T> got = on_device(p, state.data());
  const std::size_t k = p.outputs(), parameters = got.parameters(), m = 1 + seed % 3;
  REQUIRE(parameters == expected.chain().parameters());

  std::vector<T> losses(p.n), outputs(p.n * k), gradients(p.n * k), own_losses(p.n);
  expected.evaluate({outputs.data(), p.n, k}, {gradients.data(), p.n, k}, {losses.data(), p.n});
  got.evaluate(blas, {}, own_losses.data());
  const T* last = got.output(p.layers.size() - 1);
  CHECK(distance(std::vector<T>(last, last + p.n * k), outputs) < tolerance);
  CHECK(distance(own_losses, losses) < tolerance);

  const auto vectors = numbers<T>(m * parameters, seed + 900);
  std::vector<T> workspace(got.workspace_numbers(m), std::numeric_limits<T>::quiet_NaN());
  for (const CurvatureKind kind : {CurvatureKind::hessian, CurvatureKind::gauss_newton}) {
    std::vector<T> products(m * parameters), own(m * parameters);
    expected.products(kind, {vectors.data(), m, parameters}, {products.data(), m, parameters});
    got.products(blas, {}, kind, vectors.data(), m, own.data(), workspace.data());
    CHECK(distance(own, products) < tolerance);
  }
  std::vector<T> scores(m * p.n), own(m * p.n);
  expected.scores({vectors.data(), m, parameters}, {scores.data(), m, p.n});
  got.scores(blas, {}, vectors.data(), m, own.data(), workspace.data());
  CHECK(distance(own, scores) < tolerance);
}

// A chain of ReLUs is a network.
template <class T>
void check_network(std::uint64_t seed) {
  Problem<T> p = draw<T>(seed);
  std::vector<Layer<T>> layers;
  for (ChainLayer<T>& layer : p.layers) {
    layer.activation = &layer == &p.layers.back() ? Activation::identity : Activation::relu;
    layer.bias.resize(layer.outputs, T(0.25));
    layers.push_back({layer.inputs, layer.outputs, layer.weight, layer.bias});
  }
  const DenseNetwork<T> net(layers);
  const std::size_t d = net.input_size(), k = net.output_size(), output = seed % k;
  std::vector<T> values(p.n * k), column(p.n), expected(p.n * d), own(p.n * d);
  net.values({p.inputs.data(), p.n, d}, {values.data(), p.n, k});
  net.values_and_gradients({p.inputs.data(), p.n, d}, output, {column.data(), p.n},
                           {expected.data(), p.n, d});
  std::vector<T> state(on_device<T>(p, nullptr).state_numbers());
  const cuda::DeviceCurvature<T> got = on_device(p, state.data());
  got.input_gradients(blas, {}, output, own.data());
  const T* last = got.output(p.layers.size() - 1);
  CHECK(distance(std::vector<T>(last, last + p.n * k), values) < (sizeof(T) == 4 ? 1e-5 : 1e-12));
  CHECK(distance(own, expected) < (sizeof(T) == 4 ? 1e-5 : 1e-12));
  CHECK_THROWS_AS(got.input_gradients(blas, {}, k, own.data()), std::invalid_argument);
}

}  // namespace

TEST_CASE("curvature: outputs, products and scores of the launchers are the engine's" *
          doctest::skip(test::watched)) {
  for (std::uint64_t seed = 0; seed < test::trials; ++seed) {
    test::set_schedule(32, seed);
    check<double>(seed);
    check<float>(seed);
  }
  test::set_schedule(0, 0);
}

TEST_CASE("curvature: values and input gradients of the launchers are the network's" *
          doctest::skip(test::watched)) {
  for (std::uint64_t seed = 0; seed < test::trials; ++seed) {
    test::set_schedule(32, seed);
    check_network<double>(seed);
    check_network<float>(seed);
  }
  test::set_schedule(0, 0);
}

TEST_CASE("curvature: threads of the system find the same") {
  for (std::uint64_t seed = 3; seed < 6; ++seed) {
    test::set_schedule(32, seed, true);
    check<double>(seed);
  }
  test::set_schedule(0, 0);
}
