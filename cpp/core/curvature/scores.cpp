// Inner products of samples' gradients with vectors.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/curvature/blocks.h"
#include "core/curvature/chain_passes.h"
#include "core/curvature/host_backend.h"
#include "core/curvature/layer_blocks.h"
#include "core/parallel/thread_pool.h"

namespace divulge {

template <class T>
void Curvature<T>::scores(MatrixView<const T> vectors, MatrixView<T> out) const {
  if (vectors.cols != chain_.parameters() || out.rows != vectors.rows || out.cols != rows())
    throw std::invalid_argument("expected vectors of " + std::to_string(chain_.parameters()) +
                                " numbers, got " + std::to_string(vectors.cols));
  const std::size_t tile = vectors_a_tile(vectors.rows, widest(chain_.view()));
  std::fill(out.data, out.data + out.size(), T(0));
  for (std::size_t j = 0; j < vectors.rows; j += tile)
    score_tile(vectors.row_range(j, std::min(j + tile, vectors.rows)), j, out);
}

template <class T>
void Curvature<T>::score_tile(MatrixView<const T> vectors, std::size_t first, MatrixView<T> out) const {
  const std::size_t m = vectors.rows;
  LayerBlocks<T> packed(chain_, m, false);
  packed.pack(chain_, vectors);
  const ChainView<T> chain = chain_.view();
  parallel_for(rows(), rows_a_block, [&](std::size_t begin, std::size_t end) {
    std::vector<T> products((end - begin) * m * widest(chain));
    for_blocks(begin, end, [&](const Block& block) {
      add_scores(HostBackend<T>{}, chain, block.state, packed.view(), products.data(), rows(),
                 out.row(first).data + begin);
    });
  });
}

#define DIVULGE_INSTANTIATE(T)                                                  \
  template void Curvature<T>::scores(MatrixView<const T>, MatrixView<T>) const; \
  template void Curvature<T>::score_tile(MatrixView<const T>, std::size_t, MatrixView<T>) const;
DIVULGE_INSTANTIATE(float)
DIVULGE_INSTANTIATE(double)
#undef DIVULGE_INSTANTIATE

}  // namespace divulge
