// Products of the curvature with blocks of vectors.
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/curvature/blocks.h"
#include "core/curvature/elementwise.h"
#include "core/curvature/layer_blocks.h"
#include "core/linalg/blas.h"
#include "core/parallel/thread_pool.h"

namespace divulge {

// One pass of the R-operator over blocks of rows, and the sums of what it gives. Blocks of m vectors are
// (rows, m, h) with a vector's numbers together, so that the same memory is (rows, m h) to products with the
// vectors and (rows m, h) to products with the weights.
template <class T>
class TangentPass {
 public:
  using Block = typename Curvature<T>::Block;

  TangentPass(const Curvature<T>& curvature, CurvatureKind kind, const LayerBlocks<T>& vectors,
              LayerBlocks<T>& sums)
      : owner_(curvature),
        chain_(curvature.chain_),
        exact_(kind == CurvatureKind::hessian),
        vectors_(vectors),
        sums_(sums),
        ones_(rows_a_block, T(1)) {
    std::size_t width = 0;
    for (std::size_t l = 0; l < chain_.depth(); ++l) width += chain_.layer(l).outputs;
    const std::size_t size = rows_a_block * vectors.vectors() * width;
    tangents_ = owner_.spare_->take(size);
    tangents_.resize(size);
    scratch_ = owner_.spare_->take(size);
  }

  TangentPass(const TangentPass&) = delete;
  TangentPass& operator=(const TangentPass&) = delete;

  ~TangentPass() {
    owner_.spare_->give(std::move(tangents_));
    owner_.spare_->give(std::move(scratch_));
  }

  void add(const Block& block) {
    forward(block);
    for (std::size_t l = chain_.depth(); l-- > 0;) {
      add_sums(block, l);
      if (l > 0) backward(block, l);
    }
  }

 private:
  std::size_t m() const { return vectors_.vectors(); }

  // R{a_l}, and R{delta_l} once the backward pass has been at layer l: (rows m, h_l).
  MatrixView<T> tangent(const Block& block, std::size_t l) {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < l; ++i) offset += rows_a_block * m() * chain_.layer(i).outputs;
    return {tangents_.data() + offset, (block.end - block.begin) * m(), chain_.layer(l).outputs};
  }

  // The same memory as (rows, m h_l).
  MatrixView<T> wide(const Block& block, std::size_t l) {
    return {tangent(block, l).data, block.end - block.begin, m() * chain_.layer(l).outputs};
  }

  // R{a_l} = s' (V_l a_{l-1} + W_l R{a_{l-1}} + c_l); R{delta} of the last layer is H_loss R{z}.
  void forward(const Block& block) {
    const std::size_t n = block.end - block.begin, last = chain_.depth() - 1;
    for (std::size_t l = 0; l <= last; ++l) {
      const ChainLayer<T>& layer = chain_.layer(l);
      gemm<T>(Op::none, Op::transpose, 1, owner_.layer_inputs(block, l), vectors_.weight(l), 0,
              wide(block, l));
      if (l > 0)
        gemm<T>(Op::none, Op::transpose, 1, tangent(block, l - 1), layer.matrix(), 1, tangent(block, l));
      T* r = tangent(block, l).data;
      if (l < last)
        elementwise::tangent<T>(layer.activation, block.state.output(l).data, vectors_.bias(l), n, m(),
                                layer.outputs, r);
      else
        elementwise::loss_hessian<T>(owner_.loss_, block.state.loss_curvature().data, vectors_.bias(l), n,
                                     m(), layer.outputs, r);
    }
  }

  // H v of layer l: the sum of R{delta_l} a_{l-1}' + delta_l R{a_{l-1}}'.
  void add_sums(const Block& block, std::size_t l) {
    gemm<T>(Op::transpose, Op::none, 1, wide(block, l), owner_.layer_inputs(block, l), 1, sums_.weight(l));
    if (exact_ && l > 0)
      gemm<T>(Op::transpose, Op::none, 1, block.state.delta(l), wide(block, l - 1), 1, sums_.mixed(l));
    if (chain_.layer(l).has_bias())
      gemv<T>(Op::transpose, 1, wide(block, l), {ones_.data(), block.end - block.begin}, 1, sums_.bias(l));
  }

  // R{delta_{l-1}} = s' (W_l' R{delta_l} + V_l' delta_l) + (s''/s') (dl/da) R{a_{l-1}}, in R{a_{l-1}}'s
  // place.
  void backward(const Block& block, std::size_t l) {
    const std::size_t n = block.end - block.begin;
    const ChainLayer<T>& below = chain_.layer(l - 1);
    scratch_.resize(n * m() * below.outputs);
    const MatrixView<T> r{scratch_.data(), n * m(), below.outputs};
    gemm<T>(Op::none, Op::none, 1, tangent(block, l), chain_.layer(l).matrix(), 0, r);
    if (exact_)
      gemm<T>(Op::none, Op::none, 1, block.state.delta(l), vectors_.mixed(l), 1,
              {r.data, n, m() * below.outputs});
    elementwise::tangent_backward<T>(below.activation, block.state.output(l - 1).data,
                                     exact_ ? block.state.bend(l - 1).data : nullptr,
                                     tangent(block, l - 1).data, n, m(), below.outputs, r.data);
    std::copy_n(r.data, r.size(), tangent(block, l - 1).data);
  }

  const Curvature<T>& owner_;
  const Chain<T>& chain_;
  const bool exact_;
  const LayerBlocks<T>& vectors_;
  LayerBlocks<T>& sums_;
  std::vector<T> tangents_, scratch_, ones_;
};

template <class T>
void Curvature<T>::products(CurvatureKind kind, MatrixView<const T> vectors, MatrixView<T> out) const {
  if (vectors.cols != chain_.parameters() || out.cols != vectors.cols || out.rows != vectors.rows)
    throw std::invalid_argument("expected vectors of " + std::to_string(chain_.parameters()) +
                                " numbers, got " + std::to_string(vectors.cols));
  std::size_t width = 1;
  for (std::size_t l = 0; l < chain_.depth(); ++l) width = std::max(width, chain_.layer(l).outputs);
  const std::size_t tile = vectors_a_tile(vectors.rows, width);
  for (std::size_t j = 0; j < vectors.rows; j += tile) {
    const std::size_t stop = std::min(j + tile, vectors.rows);
    product_tile(kind, vectors.row_range(j, stop), out.row_range(j, stop));
  }
}

// Sums of T inside a range of rows, of double over the ranges.
template <class T>
void Curvature<T>::product_tile(CurvatureKind kind, MatrixView<const T> vectors, MatrixView<T> out) const {
  const bool mixed = kind == CurvatureKind::hessian;
  LayerBlocks<T> packed(chain_, vectors.rows, mixed, spare_.get());
  packed.pack(chain_, vectors);
  const std::size_t grain = rows_a_sum(rows(), sizeof(T) * vectors.size());
  std::vector<std::optional<LayerBlocks<T>>> sums((rows() + grain - 1) / grain);
  parallel_for(rows(), grain, [&](std::size_t begin, std::size_t end) {
    TangentPass<T> pass(*this, kind, packed,
                        sums[begin / grain].emplace(chain_, vectors.rows, mixed, spare_.get()));
    for_blocks(begin, end, [&](const Block& block) { pass.add(block); });
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
