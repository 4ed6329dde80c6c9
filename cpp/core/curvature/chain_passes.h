#pragma once

#include "core/curvature/views.h"
#include "core/linalg/blas.h"
#include "kernels/losses.h"

// Passes over a chain, written over a back end: host_backend.h says what that is.
namespace divulge {

// The outputs of all layers.
template <class Backend, class T = typename Backend::Number>
void forward(const Backend& on, const ChainView<T>& chain, const StateView<T>& state) {
  for (std::size_t l = 0; l < chain.size(); ++l) {
    const LayerView<T>& layer = chain[l];
    on.gemm(Op::none, Op::transpose, state.layer_inputs(l), layer.matrix(), 0, state.outputs[l]);
    on.activate(layer.activation, layer.bias, state.rows(), layer.outputs, state.outputs[l].data);
  }
}

// The deltas of all layers from that of the last: delta_l = s'(z_l) W_{l+1}' delta_{l+1}.
template <class Backend, class T = typename Backend::Number>
void backward(const Backend& on, const ChainView<T>& chain, const StateView<T>& state) {
  for (std::size_t l = chain.size() - 1; l-- > 0;) {
    const MatrixView<T> delta = state.deltas[l];
    on.gemm(Op::none, Op::none, state.deltas[l + 1], chain[l + 1].matrix(), 0, delta);
    on.backpropagate(chain[l].activation, state.outputs[l].data, delta.size(), delta.data,
                     state.bends[l].data);
  }
}

// Outputs, deltas and the losses' curvatures; targets (rows, K) of the squared loss, otherwise (rows, 1): the
// class, or -1 and 1. Losses (rows,) may be null.
template <class Backend, class T = typename Backend::Number>
void evaluate(const Backend& on, const ChainView<T>& chain, const Loss& loss, const T* targets,
              const StateView<T>& state, T* losses) {
  const std::size_t k = chain.back().outputs;
  forward(on, chain, state);
  on.evaluate_loss(loss, state.outputs.back().data, targets, state.rows(), k,
                   loss.kind == LossKind::squared ? k : 1, losses, state.deltas.back().data,
                   state.loss_curvature.data);
  backward(on, chain, state);
}

// scores (m, stride) += the inner product of each row's gradient with each vector, in the first `rows` of a
// vector's numbers: the sum over the layers of delta_i . (V_j a_i + c_j). products: (rows, m widest(chain)).
template <class Backend, class T = typename Backend::Number>
void add_scores(const Backend& on, const ChainView<T>& chain, const StateView<T>& state,
                const LayerBlocksView<T>& vectors, T* products, std::size_t stride, T* scores) {
  for (std::size_t l = 0; l < chain.size(); ++l) {
    const std::size_t n = state.rows(), h = chain[l].outputs;
    on.gemm(Op::none, Op::transpose, state.layer_inputs(l), vectors.weights[l], 0,
            {products, n, vectors.m * h});
    on.add_row_dots(state.deltas[l].data, products, vectors.biases[l], n, vectors.m, h, stride, scores);
  }
}

}  // namespace divulge
