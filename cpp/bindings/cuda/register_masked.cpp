#include "bindings/cuda/tensor.h"
#include "cuda/masked_least_squares.h"

namespace divulge::bindings {
namespace {

std::size_t workspace(unsigned count, unsigned h, unsigned m, int device) {
  return cuda::plan_masked_least_squares(count, h, m, device).workspace;
}

// rows (h, m) or (count, h, m), targets (count, m), outside (count,) or None, masks (count, h)
void masked(const py::object& rows, bool triangular, const py::object& targets, const py::object& outside,
            const py::object& masks, double tolerance, const py::object& coefficients,
            const py::object& residuals, const py::object& ranks, const py::object& room,
            std::uintptr_t stream, int device) {
  const std::size_t count = extent(targets, 0), m = extent(targets, 1), h = extent(masks, 1);
  kernels::MaskedLeastSquares problems;
  problems.shared_rows = rows.attr("dim")().cast<int>() == 2;
  problems.rows = memory<double>(rows, (problems.shared_rows ? 1 : count) * h * m, "rows");
  problems.triangular = triangular;
  problems.targets = memory<double>(targets, count * m, "targets");
  problems.outside = memory<double>(outside, count, "outside");
  problems.mask = memory<std::uint8_t>(masks, count * h, "masks");
  problems.count = static_cast<unsigned>(count);
  problems.h = static_cast<unsigned>(h);
  problems.m = static_cast<unsigned>(m);
  problems.tolerance = tolerance;
  problems.coefficients = memory<double>(coefficients, count * h, "coefficients");
  problems.residuals = memory<double>(residuals, count, "residuals");
  problems.ranks = memory<std::int64_t>(ranks, count, "ranks");
  problems.workspace = memory<double>(room, numel(room), "workspace");
  const std::size_t numbers = numel(room);
  const py::gil_scoped_release release;
  cuda::masked_least_squares(problems, numbers, stream_of(stream, device));
}

}  // namespace

void register_masked(py::module_& m) {
  m.def("masked_workspace", &workspace, py::arg("count"), py::arg("h"), py::arg("m"), py::arg("device"));
  m.def("masked_least_squares", &masked, py::arg("rows"), py::arg("triangular"), py::arg("targets"),
        py::arg("outside"), py::arg("masks"), py::arg("tolerance"), py::arg("coefficients"),
        py::arg("residuals"), py::arg("ranks"), py::arg("workspace"), py::arg("stream"), py::arg("device"));
}

}  // namespace divulge::bindings
