#pragma once

#include <cstdint>
#include <vector>

#include "core/linalg/buffer.h"
#include "core/linalg/matrix.h"
#include "core/lines/line_search.h"
#include "core/lines/oracle.h"

namespace divulge {

// Pieces known by the gradients that an oracle answered, one row each.
class AnswerStore : public PieceStore {
 public:
  // tolerance: largest distance of two answers for one gradient, relative to the largest gradient met.
  AnswerStore(std::size_t input_size, double tolerance) : d_(input_size), tolerance_(tolerance) {}

  std::size_t add(Span<const double> gradient);
  bool same_gradient(const LineSample& a, const LineSample& b) override;
  void release(std::size_t piece) override { free_.push_back(piece); }
  Span<const double> gradient(std::size_t piece) const { return {row(piece), d_}; }

 private:
  static constexpr std::size_t block_rows = 32;  // rows stay where they are: moving them costs page faults
  double* row(std::size_t piece) const {
    return blocks_[piece / block_rows].data() + piece % block_rows * d_;
  }

  std::size_t d_, used_ = 0;
  double tolerance_, largest_ = 0;
  std::vector<Buffer> blocks_;
  std::vector<std::size_t> free_;
};

// Pieces of a Line known by their activation patterns. Equal patterns have equal gradients; where patterns
// differ and the slopes do not say more, the gradients are computed and compared.
class PatternStore : public PieceStore {
 public:
  PatternStore(Line& line, std::size_t input_size, double tolerance);

  // Evaluates the line at every t.
  void evaluate(const std::vector<double>& t, std::vector<LineSample>& samples);
  bool same_gradient(const LineSample& a, const LineSample& b) override;
  void release(std::size_t piece) override;
  Span<const std::uint8_t> pattern(std::size_t piece) const { return {rows_.data() + piece * size_, size_}; }
  // The gradients of `pieces`, one row each.
  void gradients(const std::vector<std::size_t>& pieces, MatrixView<double> out) const;

 private:
  Line& line_;
  std::size_t d_, size_;
  double tolerance_, largest_ = 0;
  std::vector<std::uint8_t> rows_;
  std::vector<double> values_, slopes_;
};

}  // namespace divulge
