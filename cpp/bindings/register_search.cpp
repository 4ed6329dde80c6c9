#include <pybind11/stl.h>

#include "bindings/arrays.h"
#include "bindings/register.h"
#include "core/lines/kink_search.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

// A number for all lines, or one for each.
std::vector<double> for_lines(const Array<double>& x, std::size_t lines, const char* name) {
  if (x.ndim() == 0) return std::vector<double>(lines, *x.data());
  if (x.ndim() != 1 || extent(x, 0) != lines)
    throw std::invalid_argument(std::string("expected ") + name + " to be a number or of shape (" +
                                std::to_string(lines) + ",), got " + shape_text(x));
  return std::vector<double>(x.data(), x.data() + lines);
}

KinkSearchResult search(Oracle& oracle, const Array<double>& origins, const Array<double>& directions,
                        const Array<double>& low, const Array<double>& high, long long max_queries,
                        double tolerance) {
  const MatrixView<const double> u = matrix(origins, "origins"), v = matrix(directions, "directions");
  KinkSearchOptions options;
  options.low = for_lines(low, u.rows, "low");
  options.high = for_lines(high, u.rows, "high");
  options.max_queries = max_queries;
  options.tolerance = tolerance;
  const py::gil_scoped_release release;
  return kink_search(oracle, u, v, options);
}

const KinkSearchResult& result_of(const py::object& self) { return self.cast<const KinkSearchResult&>(); }

py::array_t<double> jumps(const py::object& self) {
  const KinkSearchResult& r = result_of(self);
  return shared(r.jumps.data(), r.t.size(), r.input_size, self);
}

py::array_t<double> base_gradients(const py::object& self) {
  const KinkSearchResult& r = result_of(self);
  return shared(r.base_gradients.data(), r.base_values.size(), r.input_size, self);
}

py::array_t<bool> complete_lines(const KinkSearchResult& r) {
  py::array_t<bool> out(static_cast<py::ssize_t>(r.complete_lines.size()));
  std::copy(r.complete_lines.begin(), r.complete_lines.end(), out.mutable_data());
  return out;
}

py::list unresolved(const KinkSearchResult& r) {
  py::list out;
  for (const UnresolvedKinks& gap : r.unresolved) out.append(py::make_tuple(gap.line, gap.low, gap.high));
  return out;
}

}  // namespace

void register_search(py::module_& m) {
  py::class_<KinkSearchResult>(m, "KinkSearchResult")
      .def_property_readonly("line", shared_vector(&KinkSearchResult::line))
      .def_property_readonly("t", shared_vector(&KinkSearchResult::t))
      .def_property_readonly("jumps", &jumps)
      .def_property_readonly("offsets", shared_vector(&KinkSearchResult::offsets))
      .def_property_readonly("base_gradients", &base_gradients)
      .def_property_readonly("base_values", shared_vector(&KinkSearchResult::base_values))
      .def_property_readonly("complete_lines", &complete_lines)
      .def_property_readonly("unresolved", &unresolved)
      .def_readonly("queries", &KinkSearchResult::queries)
      .def_readonly("complete", &KinkSearchResult::complete)
      .def_readonly("message", &KinkSearchResult::message);
  m.def("kink_search", &search, py::arg("oracle"), py::arg("origins"), py::arg("directions"), py::arg("low"),
        py::arg("high"), py::arg("max_queries") = -1, py::arg("tolerance") = 0.0);
}

}  // namespace divulge::bindings
