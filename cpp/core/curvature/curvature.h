#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/curvature/chain.h"
#include "core/curvature/chain_state.h"
#include "core/curvature/r_operator.h"
#include "core/parallel/spare_memory.h"

namespace divulge {

// The mean loss of a chain over n samples, as a function of the parameters, around fixed parameters.
//
// Samples are worked through in blocks of rows. What depends on the parameters alone (outputs, deltas) is
// computed once where `cached`, else anew in each call. One exact product then costs 4 n P flops, as one
// gradient does: R{a} and R{delta} of Pearlmutter (1994) for a block of vectors, one wide product a layer.
// Results do not depend on the number of threads.
template <class T>
class Curvature {
 public:
  // inputs (n, d), targets (n, K) of the squared loss, else (n, 1); both must outlive the object.
  // Throws std::invalid_argument when shapes do not fit, or a target is none that the loss knows.
  Curvature(Chain<T> chain, Loss loss, MatrixView<const T> inputs, MatrixView<const T> targets, bool cached);

  std::size_t rows() const { return inputs_.rows; }
  const Chain<T>& chain() const { return chain_; }
  const Loss& loss() const { return loss_; }
  MatrixView<const T> inputs() const { return inputs_; }
  MatrixView<const T> targets() const { return targets_; }

  // outputs (n, K), the losses' gradients by them (n, K) and losses (n,).
  void evaluate(MatrixView<T> outputs, MatrixView<T> gradients, Span<T> losses) const;

  // out (P,), of the mean loss.
  void gradient(Span<T> out) const;

  // out (m, P) = C vectors (m, P), C the curvature of the mean loss.
  void products(CurvatureKind kind, MatrixView<const T> vectors, MatrixView<T> out) const;

  // out (m, n): the inner product of sample i's gradient with vector j, without forming gradients:
  // sum over the layers of delta_i . (V_j a_i + c_j).
  void scores(MatrixView<const T> vectors, MatrixView<T> out) const;

  // out (n, P): the samples' gradients of cotangents (n, K) . outputs.
  void sample_gradients(MatrixView<const T> cotangents, MatrixView<T> out) const;

 private:
  // Rows begin, ..., end - 1 of one block, with their state.
  struct Block {
    std::size_t begin, end;
    const StateView<T>& state;
  };

  // Calls body(block) for the blocks of rows begin, ..., end - 1, begin being a multiple of a block's size.
  template <class Body>
  void for_blocks(std::size_t begin, std::size_t end, const Body& body) const;
  ChainState<T> evaluated(std::size_t begin, std::size_t end) const;

  void product_tile(CurvatureKind kind, MatrixView<const T> vectors, MatrixView<T> out) const;
  void score_tile(MatrixView<const T> vectors, std::size_t first, MatrixView<T> out) const;

  Chain<T> chain_;
  Loss loss_;
  MatrixView<const T> inputs_, targets_;
  std::vector<ChainState<T>> states_;  // one a block, none where nothing is cached
  std::unique_ptr<SpareMemory<T>> spare_ = std::make_unique<SpareMemory<T>>();  // of the products
};

}  // namespace divulge
