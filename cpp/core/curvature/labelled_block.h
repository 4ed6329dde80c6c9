#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/curvature/chain_state.h"
#include "core/curvature/curvature.h"
#include "core/parallel/row_blocks.h"

// What the files of kronecker.h share.
namespace divulge {

// (a, 1): out (rows, d + 1), or a itself for a layer without a bias.
template <class T>
MatrixView<const T> augmented(MatrixView<const T> a, std::size_t cols, std::vector<T>& out) {
  if (cols == a.cols) return a;
  out.resize(a.rows * cols);
  for (std::size_t i = 0; i < a.rows; ++i) {
    std::copy_n(a.row(i).data, a.cols, out.data() + i * cols);
    out[i * cols + a.cols] = T(1);
  }
  return {out.data(), a.rows, cols};
}

// One block of rows, passed backwards once for each label.
template <class T>
class LabelledBlock {
 public:
  LabelledBlock(const Curvature<T>& curvature, MatrixView<const T> cotangents, std::size_t begin,
                std::size_t end)
      : chain_(curvature.chain()),
        cotangents_(cotangents.row_range(begin, end)),
        state_(chain_, curvature.inputs().row_range(begin, end)) {
    state_.forward(chain_);
  }

  std::size_t rows() const { return cotangents_.rows; }
  std::size_t labels() const { return cotangents_.cols / chain_.outputs(); }
  MatrixView<const T> layer_inputs(std::size_t l) const { return state_.view().layer_inputs(l); }
  MatrixView<const T> delta(std::size_t l) const { return state_.view().deltas[l]; }

  void set_label(std::size_t s) {
    const std::size_t k = chain_.outputs();
    label_.resize(rows() * k);
    for (std::size_t i = 0; i < rows(); ++i)
      std::copy_n(cotangents_.row(i).data + s * k, k, label_.data() + i * k);
    state_.backward(chain_, {label_.data(), rows(), k});
  }

 private:
  const Chain<T>& chain_;
  MatrixView<const T> cotangents_;
  ChainState<T> state_;
  std::vector<T> label_;
};

template <class T>
void check_cotangents(const Curvature<T>& curvature, MatrixView<const T> cotangents) {
  const std::size_t n = curvature.rows(), k = curvature.chain().outputs();
  if (cotangents.rows != n || cotangents.cols % k != 0)
    throw std::invalid_argument("expected cotangents of shape (" + std::to_string(n) + ", S * " +
                                std::to_string(k) + "), got (" + std::to_string(cotangents.rows) + ", " +
                                std::to_string(cotangents.cols) + ")");
}

}  // namespace divulge
