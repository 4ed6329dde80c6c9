#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "core/lines/oracle.h"

namespace divulge::bindings {

// The callback raised an exception. `error` is that exception; to be touched with the GIL held.
class CallbackFailure : public OracleFailure {
 public:
  CallbackFailure(const std::string& text, std::shared_ptr<pybind11::object> raised)
      : OracleFailure(text), error(std::move(raised)) {}
  std::shared_ptr<pybind11::object> error;
};

// A Python callable as an oracle: points (n, d) -> (values (n,), gradients (n, d)), all float64 arrays. The
// GIL is taken for each batch. What is no Exception (KeyboardInterrupt) passes through searches as it is.
class __attribute__((visibility("hidden"))) CallbackOracle : public Oracle {
 public:
  CallbackOracle(pybind11::function fn, std::size_t input_size, bool float32);
  ~CallbackOracle() override;

  // Memory that the callback is handed as it is.
  MatrixView<double> room(std::size_t n) override;

  pybind11::object last_error() const { return error_; }

 protected:
  void answer(MatrixView<const double> points, Span<double> values, MatrixView<double> gradients) override;
  void answer_to(MatrixView<const double> points, const Consume& consume) override;

 private:
  [[noreturn]] void fail(pybind11::error_already_set& error);

  pybind11::function fn_;
  pybind11::array batch(MatrixView<const double> points);

  pybind11::object room_ = pybind11::none();  // (rows, d): new wherever the callback kept the last one
  pybind11::object error_ = pybind11::none();
};

}  // namespace divulge::bindings
