#include "cuda/gemm.h"

#include <climits>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace divulge::cuda {
namespace {

int narrow(std::size_t size) {
  if (size > INT_MAX)
    throw std::invalid_argument("expected a matrix of at most " + std::to_string(INT_MAX) +
                                " rows and columns, got " + std::to_string(size));
  return static_cast<int>(size);
}

int code(Op op) { return op == Op::transpose ? 1 : 0; }

}  // namespace

template <class T>
void gemm(const BlasTable& table, Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const T> b,
          T beta, MatrixView<T> c) {
  const std::size_t k = op_a == Op::none ? a.cols : a.rows;
  if (c.size() == 0 || k == 0) return;
  BlasGemm<T> run = nullptr;
  if constexpr (std::is_same_v<T, float>)
    run = table.sgemm;
  else
    run = table.dgemm;
  const int status =
      run(table.handle, code(op_b), code(op_a), narrow(c.cols), narrow(c.rows), narrow(k), &alpha, b.data,
          narrow(b.cols), a.data, narrow(a.cols), &beta, c.data, narrow(c.cols));
  if (status != 0) throw std::runtime_error("cuBLAS: a product failed with status " + std::to_string(status));
}

template void gemm(const BlasTable&, Op, Op, float, MatrixView<const float>, MatrixView<const float>, float,
                   MatrixView<float>);
template void gemm(const BlasTable&, Op, Op, double, MatrixView<const double>, MatrixView<const double>,
                   double, MatrixView<double>);

}  // namespace divulge::cuda
