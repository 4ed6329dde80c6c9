// Products of the curvature with blocks of vectors.
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/curvature/blocks.h"
#include "core/curvature/host_backend.h"
#include "core/curvature/layer_blocks.h"
#include "core/parallel/thread_pool.h"

namespace divulge {

template <class T>
void Curvature<T>::products(CurvatureKind kind, MatrixView<const T> vectors, MatrixView<T> out) const {
  if (vectors.cols != chain_.parameters() || out.cols != vectors.cols || out.rows != vectors.rows)
    throw std::invalid_argument("expected vectors of " + std::to_string(chain_.parameters()) +
                                " numbers, got " + std::to_string(vectors.cols));
  const std::size_t tile = vectors_a_tile(vectors.rows, widest(chain_.view()));
  for (std::size_t j = 0; j < vectors.rows; j += tile) {
    const std::size_t stop = std::min(j + tile, vectors.rows);
    product_tile(kind, vectors.row_range(j, stop), out.row_range(j, stop));
  }
}

// Sums of T inside a range of rows, of double over the ranges.
template <class T>
void Curvature<T>::product_tile(CurvatureKind kind, MatrixView<const T> vectors, MatrixView<T> out) const {
  const bool mixed = kind == CurvatureKind::hessian;
  const ChainView<T> chain = chain_.view();
  LayerBlocks<T> packed(chain_, vectors.rows, mixed, spare_.get());
  packed.pack(chain_, vectors);
  const std::size_t grain = rows_a_sum(rows(), sizeof(T) * vectors.size());
  std::vector<std::optional<LayerBlocks<T>>> sums((rows() + grain - 1) / grain);
  parallel_for(rows(), grain, [&](std::size_t begin, std::size_t end) {
    const auto& sum = sums[begin / grain].emplace(chain_, vectors.rows, mixed, spare_.get());
    const Owned<TangentMemory, T> memory(spare_.get(), chain, rows_a_block, vectors.rows);
    std::fill_n(memory.view().ones, rows_a_block, T(1));
    const HostBackend<T> on;
    const ROperator<HostBackend<T>> pass(on, chain, loss_, kind, packed.view(), sum.view(), memory.view());
    for_blocks(begin, end, [&](const Block& block) { pass.add(block.state); });
  });
  const double samples = static_cast<double>(std::max<std::size_t>(rows(), 1));
  parallel_for(vectors.rows, 1, [&](std::size_t j, std::size_t) {
    std::vector<double> total(out.cols);
    for (const auto& sum : sums) sum->add_to(chain_, j, total.data());
    for (std::size_t k = 0; k < out.cols; ++k) out(j, k) = static_cast<T>(total[k] / samples);
  });
}

#define DIVULGE_INSTANTIATE(T)                                                                   \
  template void Curvature<T>::products(CurvatureKind, MatrixView<const T>, MatrixView<T>) const; \
  template void Curvature<T>::product_tile(CurvatureKind, MatrixView<const T>, MatrixView<T>) const;
DIVULGE_INSTANTIATE(float)
DIVULGE_INSTANTIATE(double)
#undef DIVULGE_INSTANTIATE

}  // namespace divulge
