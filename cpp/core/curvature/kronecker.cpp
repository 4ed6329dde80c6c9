#include "core/curvature/kronecker.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/curvature/labelled_block.h"
#include "core/linalg/blas.h"
#include "core/parallel/thread_pool.h"

namespace divulge {
namespace {

// Sums of T over ranges of rows, of double over the ranges, divided by the number of samples.
// add(block, sums) adds one block; sizes has the length of each sum.
template <class T, class Add>
std::vector<std::vector<double>> mean_over_blocks(const Curvature<T>& curvature,
                                                  MatrixView<const T> cotangents,
                                                  const std::vector<std::size_t>& sizes, const Add& add) {
  const std::size_t n = curvature.rows();
  check_cotangents(curvature, cotangents);
  std::size_t bytes = 0;
  for (const std::size_t size : sizes) bytes += size * sizeof(T);
  const std::size_t grain = rows_a_sum(n, bytes);
  std::vector<std::vector<std::vector<T>>> partial((n + grain - 1) / grain);
  parallel_for(n, grain, [&](std::size_t begin, std::size_t end) {
    std::vector<std::vector<T>>& sums = partial[begin / grain];
    for (const std::size_t size : sizes) sums.emplace_back(size);
    for (std::size_t i = begin; i < end; i += rows_a_block) {
      LabelledBlock<T> block(curvature, cotangents, i, std::min(i + rows_a_block, end));
      add(block, sums);
    }
  });
  std::vector<std::vector<double>> means;
  for (std::size_t p = 0; p < sizes.size(); ++p) {
    std::vector<double>& mean = means.emplace_back(sizes[p]);
    for (const auto& sums : partial)
      for (std::size_t q = 0; q < mean.size(); ++q) mean[q] += static_cast<double>(sums[p][q]);
    for (double& value : mean) value /= static_cast<double>(std::max<std::size_t>(n, 1));
  }
  return means;
}

void mirror(std::vector<double>& a, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) a[j * n + i] = a[i * n + j];
}

// sum (n, m) += x (n, m)^2
template <class T>
void add_squares(const std::vector<T>& x, std::vector<T>& sum) {
  for (std::size_t q = 0; q < x.size(); ++q) sum[q] += x[q] * x[q];
}

}  // namespace

template <class T>
std::vector<KroneckerFactors<T>> kronecker_factors(const Curvature<T>& curvature,
                                                   MatrixView<const T> cotangents) {
  const Chain<T>& chain = curvature.chain();
  std::vector<KroneckerFactors<T>> factors(chain.depth());
  std::vector<std::size_t> sizes;
  for (std::size_t l = 0; l < chain.depth(); ++l) {
    factors[l].inputs = chain.layer(l).augmented_inputs();
    factors[l].outputs = chain.layer(l).outputs;
    sizes.push_back(factors[l].inputs * factors[l].inputs);
    sizes.push_back(factors[l].outputs * factors[l].outputs);
  }
  std::vector<std::vector<double>> means = mean_over_blocks<T>(
      curvature, cotangents, sizes, [&](LabelledBlock<T>& block, std::vector<std::vector<T>>& sums) {
        std::vector<T> scratch;
        for (std::size_t l = 0; l < chain.depth(); ++l) {
          const std::size_t d = factors[l].inputs;
          syrk<T>(1, augmented(block.layer_inputs(l), d, scratch), 1, {sums[2 * l].data(), d, d});
        }
        for (std::size_t s = 0; s < block.labels(); ++s) {
          block.set_label(s);
          for (std::size_t l = 0; l < chain.depth(); ++l) {
            const std::size_t h = factors[l].outputs;
            syrk<T>(1, block.delta(l), 1, {sums[2 * l + 1].data(), h, h});
          }
        }
      });
  for (std::size_t l = 0; l < chain.depth(); ++l) {
    factors[l].inner = std::move(means[2 * l]);
    factors[l].outer = std::move(means[2 * l + 1]);
    mirror(factors[l].inner, factors[l].inputs);
    mirror(factors[l].outer, factors[l].outputs);
  }
  return factors;
}

template <class T>
std::vector<std::vector<double>> kronecker_eigenvalues(const Curvature<T>& curvature,
                                                       MatrixView<const T> cotangents,
                                                       const std::vector<MatrixView<const T>>& inner,
                                                       const std::vector<MatrixView<const T>>& outer) {
  const Chain<T>& chain = curvature.chain();
  if (inner.size() != chain.depth() || outer.size() != chain.depth())
    throw std::invalid_argument("expected " + std::to_string(chain.depth()) + " pairs of bases, got " +
                                std::to_string(inner.size()) + " and " + std::to_string(outer.size()));
  std::vector<std::size_t> sizes;
  sizes.reserve(chain.depth());
  for (std::size_t l = 0; l < chain.depth(); ++l)
    sizes.push_back(chain.layer(l).outputs * chain.layer(l).augmented_inputs());
  return mean_over_blocks<T>(
      curvature, cotangents, sizes, [&](LabelledBlock<T>& block, std::vector<std::vector<T>>& sums) {
        const std::size_t n = block.rows();
        std::vector<std::vector<T>> squares;  // (n, h) a layer: the sum over the labels of (U' delta)^2
        squares.reserve(chain.depth());
        for (std::size_t l = 0; l < chain.depth(); ++l) squares.emplace_back(n * chain.layer(l).outputs);
        std::vector<T> rotated, scratch;
        for (std::size_t s = 0; s < block.labels(); ++s) {
          block.set_label(s);
          for (std::size_t l = 0; l < chain.depth(); ++l) {
            rotated.resize(squares[l].size());
            gemm<T>(Op::none, Op::none, 1, block.delta(l), outer[l], 0,
                    {rotated.data(), n, chain.layer(l).outputs});
            add_squares(rotated, squares[l]);
          }
        }
        for (std::size_t l = 0; l < chain.depth(); ++l) {
          const std::size_t h = chain.layer(l).outputs, d = chain.layer(l).augmented_inputs();
          rotated.resize(n * d);
          gemm<T>(Op::none, Op::none, 1, augmented(block.layer_inputs(l), d, scratch), inner[l], 0,
                  {rotated.data(), n, d});
          for (T& value : rotated) value *= value;
          gemm<T>(Op::transpose, Op::none, 1, {squares[l].data(), n, h}, {rotated.data(), n, d}, 1,
                  {sums[l].data(), h, d});
        }
      });
}

#define DIVULGE_INSTANTIATE(T)                                                                              \
  template std::vector<KroneckerFactors<T>> kronecker_factors(const Curvature<T>&, MatrixView<const T>);    \
  template std::vector<std::vector<double>> kronecker_eigenvalues(const Curvature<T>&, MatrixView<const T>, \
                                                                  const std::vector<MatrixView<const T>>&,  \
                                                                  const std::vector<MatrixView<const T>>&);
DIVULGE_INSTANTIATE(float)
DIVULGE_INSTANTIATE(double)
#undef DIVULGE_INSTANTIATE

}  // namespace divulge
