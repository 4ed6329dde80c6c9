#include "core/curvature/curvature.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/curvature/blocks.h"
#include "core/curvature/host_backend.h"
#include "core/curvature/layer_blocks.h"
#include "core/linalg/blas.h"
#include "core/parallel/thread_pool.h"

namespace divulge {
namespace {

void require(std::size_t got, std::size_t expected, const char* what) {
  if (got != expected)
    throw std::invalid_argument("expected " + std::to_string(expected) + " " + what + ", got " +
                                std::to_string(got));
}

template <class T>
void check_class(T target, std::size_t row, std::size_t classes) {
  if (!(target >= T(0) && target < static_cast<T>(classes) && std::floor(target) == target))
    throw std::invalid_argument("expected classes from 0 to " + std::to_string(classes - 1) +
                                ", got another number for sample " + std::to_string(row));
}

template <class T>
void check_targets(const Loss& loss, std::size_t outputs, MatrixView<const T> targets) {
  require(targets.cols, loss.kind == LossKind::squared ? outputs : 1, "numbers in a target");
  if (loss.kind == LossKind::smooth_hinge) require(outputs, 1, "output for the smooth hinge");
  for (std::size_t i = 0; i < targets.rows; ++i) {
    if (loss.kind == LossKind::cross_entropy) check_class(targets(i, 0), i, outputs);
    if (loss.kind == LossKind::smooth_hinge && std::abs(targets(i, 0)) != T(1))
      throw std::invalid_argument(
          "expected targets -1 and 1 for the smooth hinge, got another number for sample " +
          std::to_string(i));
  }
}

}  // namespace

template <class T>
Curvature<T>::Curvature(Chain<T> chain, Loss loss, MatrixView<const T> inputs, MatrixView<const T> targets,
                        bool cached)
    : chain_(std::move(chain)), loss_(loss), inputs_(inputs), targets_(targets) {
  require(inputs.cols, chain_.inputs(), "numbers in an input");
  require(targets.rows, inputs.rows, "targets");
  check_targets(loss_, chain_.outputs(), targets_);
  if (!cached) return;
  std::vector<ChainState<T>> states(blocks_of(rows()));
  parallel_for(rows(), rows_a_block, [&](std::size_t begin, std::size_t end) {
    states[begin / rows_a_block] = evaluated(begin, end);
  });
  states_ = std::move(states);
}

template <class T>
ChainState<T> Curvature<T>::evaluated(std::size_t begin, std::size_t end) const {
  ChainState<T> state(chain_, inputs_.row_range(begin, end));
  state.evaluate(chain_, loss_, targets_.row_range(begin, end));
  return state;
}

template <class T>
void Curvature<T>::evaluate(MatrixView<T> outputs, MatrixView<T> gradients, Span<T> losses) const {
  parallel_for(rows(), rows_a_block, [&](std::size_t begin, std::size_t end) {
    ChainState<T> state(chain_, inputs_.row_range(begin, end));
    state.evaluate(chain_, loss_, targets_.row_range(begin, end), {losses.data + begin, end - begin});
    const StateView<T>& at = state.view();
    std::copy_n(at.outputs.back().data, at.outputs.back().size(), outputs.row(begin).data);
    std::copy_n(at.deltas.back().data, at.deltas.back().size(), gradients.row(begin).data);
  });
}

// The gradient by W_l is the sum of delta_l a_{l-1}', that by b_l the sum of delta_l.
template <class T>
void Curvature<T>::gradient(Span<T> out) const {
  require(out.size, chain_.parameters(), "numbers in a gradient");
  const std::size_t grain = rows_a_sum(rows(), sizeof(T) * chain_.parameters());
  std::vector<LayerBlocks<T>> sums;
  for (std::size_t i = 0; i < rows(); i += grain) sums.emplace_back(chain_, 1, false);
  const std::vector<T> ones(rows_a_block, T(1));
  const HostBackend<T> on;
  parallel_for(rows(), grain, [&](std::size_t begin, std::size_t end) {
    const LayerBlocksView<T>& sum = sums[begin / grain].view();
    for_blocks(begin, end, [&](const Block& block) {
      for (std::size_t l = 0; l < chain_.depth(); ++l) {
        const MatrixView<const T> delta = block.state.deltas[l];
        on.gemm(Op::transpose, Op::none, delta, block.state.layer_inputs(l), 1, sum.weights[l]);
        if (sum.biases[l]) on.add_column_sums(delta, ones.data(), sum.biases[l]);
      }
    });
  });
  std::vector<double> total(out.size);
  for (const LayerBlocks<T>& sum : sums) sum.add_to(chain_, 0, total.data());
  const double samples = static_cast<double>(std::max<std::size_t>(rows(), 1));
  for (std::size_t k = 0; k < out.size; ++k) out[k] = static_cast<T>(total[k] / samples);
}

template <class T>
void Curvature<T>::sample_gradients(MatrixView<const T> cotangents, MatrixView<T> out) const {
  require(cotangents.rows, rows(), "cotangents");
  require(cotangents.cols, chain_.outputs(), "numbers in a cotangent");
  require(out.cols, chain_.parameters(), "numbers in a gradient");
  parallel_for(rows(), rows_a_block, [&](std::size_t begin, std::size_t end) {
    ChainState<T> state(chain_, inputs_.row_range(begin, end));
    state.forward(chain_);
    state.backward(chain_, cotangents.row_range(begin, end));
    for (std::size_t l = 0; l < chain_.depth(); ++l) {
      const MatrixView<const T> a = state.view().layer_inputs(l), delta = state.view().deltas[l];
      for (std::size_t i = 0; i < a.rows; ++i) {
        T* g = out.row(begin + i).data;
        gemm<T>(Op::transpose, Op::none, 1, {delta.row(i).data, 1, delta.cols}, {a.row(i).data, 1, a.cols}, 0,
                {g + chain_.weight_offset(l), delta.cols, a.cols});
        if (chain_.layer(l).has_bias()) std::copy_n(delta.row(i).data, delta.cols, g + chain_.bias_offset(l));
      }
    }
  });
}

template class Curvature<float>;
template class Curvature<double>;

}  // namespace divulge
