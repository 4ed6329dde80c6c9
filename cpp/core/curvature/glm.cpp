#include "core/curvature/glm.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/curvature/chain_state.h"
#include "core/curvature/host_backend.h"
#include "core/linalg/blas.h"
#include "core/parallel/row_blocks.h"
#include "core/parallel/thread_pool.h"

namespace divulge {
namespace {

constexpr std::size_t blocks_a_float_sum = 16;  // then it is added to a sum of double

template <class T>
void require_one_layer(const Curvature<T>& curvature) {
  if (curvature.chain().depth() != 1)
    throw std::invalid_argument("expected a chain of one layer, got " +
                                std::to_string(curvature.chain().depth()));
}

// Where parameter j of class a is in the flat vector: W (K, d), then b (K,).
template <class T>
std::size_t position(const Chain<T>& chain, std::size_t a, std::size_t j) {
  return j < chain.inputs() ? a * chain.inputs() + j : chain.outputs() * chain.inputs() + a;
}

// out (rows, d~) = scale_i x~_i
template <class T>
void scaled_rows(MatrixView<const T> x, const T* scale, std::size_t cols, T* out) {
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t j = 0; j < x.cols; ++j) out[i * cols + j] = scale[i] * x(i, j);
    if (cols > x.cols) out[i * cols + x.cols] = scale[i];
  }
}

// The vectors c (n, K) from which the losses' Hessians are applied.
template <class T>
std::vector<T> loss_curvatures(const Curvature<T>& curvature) {
  const std::size_t k = curvature.chain().outputs();
  std::vector<T> all(curvature.rows() * k);
  parallel_for(curvature.rows(), rows_a_block, [&](std::size_t begin, std::size_t end) {
    ChainState<T> state(curvature.chain(), curvature.inputs().row_range(begin, end));
    state.evaluate(curvature.chain(), curvature.loss(), curvature.targets().row_range(begin, end));
    std::copy_n(state.view().loss_curvature.data, (end - begin) * k, all.data() + begin * k);
  });
  return all;
}

// sum (d~, d~), lower triangle, += sum over rows begin, ..., end - 1 of w_i^2 x~_i x~_i'.
template <class T, class Root>
void add_weighted_squares(const Curvature<T>& curvature, const Root& root, std::size_t begin, std::size_t end,
                          std::vector<double>& sum) {
  const std::size_t d = curvature.chain().layer(0).augmented_inputs();
  std::vector<T> part(d * d), scaled(rows_a_block * d), scale(rows_a_block);
  for (std::size_t stop; begin < end; begin = stop) {
    stop = std::min(begin + blocks_a_float_sum * rows_a_block, end);
    for (std::size_t first = begin; first < stop; first += rows_a_block) {
      const std::size_t n = std::min(rows_a_block, stop - first);
      for (std::size_t i = 0; i < n; ++i) scale[i] = root(first + i);
      scaled_rows(curvature.inputs().row_range(first, first + n), scale.data(), d, scaled.data());
      syrk<T>(1, {scaled.data(), n, d}, first == begin ? T(0) : T(1), {part.data(), d, d});
    }
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j <= i; ++j) sum[i * d + j] += static_cast<double>(part[i * d + j]);
  }
}

// One (a, b) for each symmetric rank update: every a < b of the softmax; one for the other losses.
std::vector<std::pair<std::size_t, std::size_t>> updates(const Loss& loss, std::size_t k) {
  if (loss.kind != LossKind::cross_entropy) return {{0, 0}};
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  for (std::size_t a = 0; a < k; ++a)
    for (std::size_t b = a + 1; b < k; ++b) pairs.emplace_back(a, b);
  return pairs;
}

// out += factor sum, sum symmetric with a lower triangle, in block (a, b).
template <class T>
void add_block(const Chain<T>& chain, const std::vector<double>& sum, std::size_t d, double factor,
               std::size_t a, std::size_t b, MatrixView<double> out) {
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < d; ++j)
      out(position(chain, a, i), position(chain, b, j)) += factor * sum[std::max(i, j) * d + std::min(i, j)];
}

}  // namespace

template <class T>
void glm_hessian(const Curvature<T>& curvature, MatrixView<double> out) {
  require_one_layer(curvature);
  const Chain<T>& chain = curvature.chain();
  const std::size_t n = curvature.rows(), k = chain.outputs(),
                    d = curvature.chain().layer(0).augmented_inputs();
  const bool softmax = curvature.loss().kind == LossKind::cross_entropy;
  const std::vector<T> c = loss_curvatures(curvature);
  const auto pairs = updates(curvature.loss(), k);
  // Few updates are split into ranges of rows, so that there is work for every thread.
  const std::size_t ranges = pairs.size() >= 16 ? 1 : 16,
                    grain = std::max<std::size_t>((n + ranges - 1) / ranges, 1);
  std::fill(out.data, out.data + out.size(), 0.0);
  const double mean = 1.0 / static_cast<double>(std::max<std::size_t>(n, 1));
  constexpr std::size_t at_once = 16;  // sums held at a time
  std::vector<std::vector<double>> sums(at_once);
  const std::size_t jobs = pairs.size() * ranges;
  for (std::size_t first = 0; first < jobs; first += at_once) {
    const std::size_t count = std::min(at_once, jobs - first);
    parallel_for(count, 1, [&](std::size_t q, std::size_t) {
      const auto [a, b] = pairs[(first + q) / ranges];
      const std::size_t begin = std::min((first + q) % ranges * grain, n);
      sums[q].assign(d * d, 0.0);
      const auto root = [&, a = a, b = b](std::size_t i) {
        return std::sqrt(softmax ? c[i * k + a] * c[i * k + b] : c[i * k]);
      };
      add_weighted_squares<T>(curvature, root, begin, std::min(begin + grain, n), sums[q]);
    });
    for (std::size_t q = 0; q < count; ++q) {
      const auto [a, b] = pairs[(first + q) / ranges];
      if (!softmax) {
        for (std::size_t e = 0; e < k; ++e) add_block(chain, sums[q], d, mean, e, e, out);
        continue;
      }
      for (const auto& [row, column, sign] :
           {std::tuple{a, b, -mean}, {b, a, -mean}, {a, a, mean}, {b, b, mean}})
        add_block(chain, sums[q], d, sign, row, column, out);
    }
  }
}

template <class T>
void glm_leverages(const Curvature<T>& curvature, MatrixView<const double> inverse, MatrixView<T> out) {
  require_one_layer(curvature);
  const Chain<T>& chain = curvature.chain();
  const std::size_t k = chain.outputs(), d = curvature.chain().layer(0).augmented_inputs();
  std::vector<T> block(d * d);
  const std::vector<T> ones(rows_a_block, T(1));
  for (std::size_t a = 0; a < k; ++a)
    for (std::size_t b = 0; b <= a; ++b) {
      for (std::size_t i = 0; i < d; ++i)
        for (std::size_t j = 0; j < d; ++j) {
          const std::size_t p = position(chain, a, i), q = position(chain, b, j);
          block[i * d + j] = static_cast<T>(inverse(std::max(p, q), std::min(p, q)));
        }
      parallel_for(curvature.rows(), rows_a_block, [&](std::size_t begin, std::size_t end) {
        const std::size_t n = end - begin;
        std::vector<T> x(n * d), y(n * d), m(n);
        scaled_rows(curvature.inputs().row_range(begin, end), ones.data(), d, x.data());
        gemm<T>(Op::none, Op::none, 1, {x.data(), n, d}, {block.data(), d, d}, 0, {y.data(), n, d});
        HostBackend<T>::add_row_dots(x.data(), y.data(), nullptr, n, 1, d, n, m.data());
        for (std::size_t i = 0; i < n; ++i) out(begin + i, a * k + b) = out(begin + i, b * k + a) = m[i];
      });
    }
}

template <class T>
void glm_loss_hessians(const Curvature<T>& curvature, MatrixView<T> out) {
  require_one_layer(curvature);
  const std::size_t k = curvature.chain().outputs();
  const std::vector<T> c = loss_curvatures(curvature);
  for (std::size_t i = 0; i < curvature.rows(); ++i)
    for (std::size_t a = 0; a < k; ++a) {
      T* row = out.row(i).data + a * k;
      std::fill_n(row, k, T(0));
      row[a] = T(1);
      HostBackend<T>::loss_hessian(curvature.loss(), c.data() + i * k, nullptr, 1, 1, k, row);
    }
}

#define DIVULGE_INSTANTIATE(T)                                                               \
  template void glm_hessian(const Curvature<T>&, MatrixView<double>);                        \
  template void glm_leverages(const Curvature<T>&, MatrixView<const double>, MatrixView<T>); \
  template void glm_loss_hessians(const Curvature<T>&, MatrixView<T>);
DIVULGE_INSTANTIATE(float)
DIVULGE_INSTANTIATE(double)
#undef DIVULGE_INSTANTIATE

}  // namespace divulge
