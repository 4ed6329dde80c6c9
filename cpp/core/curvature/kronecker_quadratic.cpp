#include <stdexcept>
#include <string>

#include "core/curvature/kronecker.h"
#include "core/curvature/labelled_block.h"
#include "core/linalg/blas.h"
#include "core/parallel/thread_pool.h"

namespace divulge {
namespace {

template <class T>
void check_layer(const ChainLayer<T>& layer, const KroneckerForm<T>& form) {
  const std::size_t h = layer.outputs, d = layer.augmented_inputs();
  if (form.outer.rows != h || form.outer.cols != h || form.inner.rows != d || form.inner.cols != d ||
      form.weights.rows != h || form.weights.cols != d)
    throw std::invalid_argument("expected bases of " + std::to_string(h) + " and " + std::to_string(d) +
                                " vectors and as many weights for a layer");
}

// out (n,) += sum over j, k of (U' delta)_j^2 weights_jk (V' (a, 1))_k^2 for each row of a block
template <class T>
void add_forms(MatrixView<const T> delta, MatrixView<const T> inputs, const KroneckerForm<T>& form,
               double* out) {
  const std::size_t n = inputs.rows, h = form.outer.cols, d = form.inner.cols;
  std::vector<T> turned(n * d), weighted(n * h), outer(n * h);
  gemm<T>(Op::none, Op::none, 1, inputs, form.inner, 0, {turned.data(), n, d});
  for (T& value : turned) value *= value;
  gemm<T>(Op::none, Op::transpose, 1, {turned.data(), n, d}, form.weights, 0, {weighted.data(), n, h});
  gemm<T>(Op::none, Op::none, 1, delta, form.outer, 0, {outer.data(), n, h});
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < h; ++j) {
      const double u = static_cast<double>(outer[i * h + j]);
      out[i] += u * u * static_cast<double>(weighted[i * h + j]);
    }
}

}  // namespace

template <class T>
void kronecker_quadratic(const Curvature<T>& curvature, MatrixView<const T> cotangents,
                         const std::vector<KroneckerForm<T>>& forms, Span<double> out) {
  const Chain<T>& chain = curvature.chain();
  check_cotangents(curvature, cotangents);
  if (forms.size() != chain.depth() || out.size != curvature.rows())
    throw std::invalid_argument("expected bases of " + std::to_string(chain.depth()) + " layers, got " +
                                std::to_string(forms.size()));
  for (std::size_t l = 0; l < chain.depth(); ++l) check_layer(chain.layer(l), forms[l]);
  parallel_for(curvature.rows(), rows_a_block, [&](std::size_t begin, std::size_t end) {
    LabelledBlock<T> block(curvature, cotangents, begin, end);
    std::fill_n(out.data + begin, end - begin, 0.0);
    std::vector<T> scratch;
    for (std::size_t s = 0; s < block.labels(); ++s) {
      block.set_label(s);
      for (std::size_t l = 0; l < chain.depth(); ++l)
        add_forms(block.delta(l), augmented(block.layer_inputs(l), forms[l].inner.rows, scratch), forms[l],
                  out.data + begin);
    }
  });
}

template void kronecker_quadratic(const Curvature<float>&, MatrixView<const float>,
                                  const std::vector<KroneckerForm<float>>&, Span<double>);
template void kronecker_quadratic(const Curvature<double>&, MatrixView<const double>,
                                  const std::vector<KroneckerForm<double>>&, Span<double>);

}  // namespace divulge
