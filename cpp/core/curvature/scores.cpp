// Inner products of samples' gradients with vectors.
#include <stdexcept>
#include <string>

#include "core/curvature/blocks.h"
#include "core/curvature/elementwise.h"
#include "core/curvature/layer_blocks.h"
#include "core/linalg/blas.h"
#include "core/parallel/thread_pool.h"

namespace divulge {

template <class T>
void Curvature<T>::scores(MatrixView<const T> vectors, MatrixView<T> out) const {
  if (vectors.cols != chain_.parameters() || out.rows != vectors.rows || out.cols != rows())
    throw std::invalid_argument("expected vectors of " + std::to_string(chain_.parameters()) +
                                " numbers, got " + std::to_string(vectors.cols));
  std::size_t width = 1;
  for (std::size_t l = 0; l < chain_.depth(); ++l) width = std::max(width, chain_.layer(l).outputs);
  const std::size_t tile = vectors_a_tile(vectors.rows, width);
  for (std::size_t j = 0; j < vectors.rows; j += tile)
    score_tile(vectors.row_range(j, std::min(j + tile, vectors.rows)), j, out);
}

template <class T>
void Curvature<T>::score_tile(MatrixView<const T> vectors, std::size_t first, MatrixView<T> out) const {
  const std::size_t m = vectors.rows;
  LayerBlocks<T> packed(chain_, m, false);
  packed.pack(chain_, vectors);
  const LayerBlocks<T>& v = packed;
  parallel_for(rows(), rows_a_block, [&](std::size_t begin, std::size_t end) {
    const std::size_t n = end - begin;
    std::vector<T> sums(n * m), products;
    for_blocks(begin, end, [&](const Block& block) {
      for (std::size_t l = 0; l < chain_.depth(); ++l) {
        const std::size_t h = chain_.layer(l).outputs;
        products.resize(n * m * h);
        gemm<T>(Op::none, Op::transpose, 1, layer_inputs(block, l), v.weight(l), 0,
                {products.data(), n, m * h});
        elementwise::add_row_dots<T>(block.state.delta(l).data, products.data(), v.bias(l), n, m, h,
                                     sums.data());
      }
    });
    for (std::size_t j = 0; j < m; ++j)
      for (std::size_t i = 0; i < n; ++i) out(first + j, begin + i) = sums[i * m + j];
  });
}

#define DIVULGE_INSTANTIATE(T)                                                  \
  template void Curvature<T>::scores(MatrixView<const T>, MatrixView<T>) const; \
  template void Curvature<T>::score_tile(MatrixView<const T>, std::size_t, MatrixView<T>) const;
DIVULGE_INSTANTIATE(float)
DIVULGE_INSTANTIATE(double)
#undef DIVULGE_INSTANTIATE

}  // namespace divulge
