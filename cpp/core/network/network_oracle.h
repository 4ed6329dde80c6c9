#pragma once

#include <memory>

#include "core/lines/oracle.h"
#include "core/network/network.h"

namespace divulge {

// A NetworkOracle<T> of any T.
class AnyNetworkOracle : public Oracle {
 public:
  using Oracle::Oracle;
};

// One output of a DenseNetwork<T>, computed in T. Points are rounded to T.
template <class T>
class NetworkOracle : public AnyNetworkOracle {
 public:
  // Throws std::invalid_argument when the network has no such output.
  NetworkOracle(std::shared_ptr<const DenseNetwork<T>> network, std::size_t output);

  std::vector<std::unique_ptr<Line>> lines(MatrixView<const double> origins,
                                           MatrixView<const double> directions) const override;

 protected:
  void answer(MatrixView<const double> points, Span<double> values, MatrixView<double> gradients) override;

 private:
  std::shared_ptr<const DenseNetwork<T>> network_;
  std::size_t output_;
};

}  // namespace divulge
