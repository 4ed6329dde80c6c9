#include <limits>

#include "bindings/cuda/tensor.h"
#include "cuda/kink_search.h"

namespace divulge::bindings {
namespace {

// weights (victims, outputs, inputs) and biases (victims, outputs), one of each a layer
template <class T>
kernels::NetworkView<T> network(const py::list& weights, const py::list& biases) {
  if (weights.empty() || weights.size() > kernels::max_layers || weights.size() != biases.size())
    throw std::invalid_argument("expected weights and biases of 1 to " + std::to_string(kernels::max_layers) +
                                " layers, got " + std::to_string(weights.size()) + " and " +
                                std::to_string(biases.size()));
  kernels::NetworkView<T> net;
  for (std::size_t l = 0; l < weights.size(); ++l) {
    const py::handle w = weights[l], b = biases[l];
    const std::size_t victims = extent(w, 0), outputs = extent(w, 1), inputs = extent(w, 2);
    net.layers[l] = {memory<T>(w, victims * outputs * inputs, "weights"),
                     memory<T>(b, victims * outputs, "biases"), static_cast<unsigned>(inputs),
                     static_cast<unsigned>(outputs)};
  }
  net.count = static_cast<unsigned>(weights.size());
  return net;
}

// Words of an activation pattern, and bytes of the workspace.
template <class T>
py::tuple room(const py::list& weights, const py::list& biases, unsigned lines, unsigned max_kinks,
               int device) {
  kernels::KinkSearch<T> search;
  search.net = network<T>(weights, biases);
  search.lines = lines;
  search.max_kinks = max_kinks;
  return py::make_tuple(search.net.pattern_words(), cuda::plan_kink_search(search, device).workspace);
}

// out: t, left and right patterns, gaps, base values and patterns, counts of kinks and gaps, overflow,
// queries
template <class T>
void search_lines(const py::list& weights, const py::list& biases, unsigned output, unsigned lines_a_victim,
                  unsigned max_kinks, double tolerance, const py::list& z, const py::list& ranges,
                  const py::object& workspace, const py::list& out, std::uintptr_t stream, int device) {
  constexpr bool single_precision = sizeof(T) == 4;
  kernels::KinkSearch<T> s;
  s.net = network<T>(weights, biases);
  const std::size_t lines = extent(z[0], 0), words = s.net.pattern_words(), kinks = lines * max_kinks;
  s.output = output;
  s.lines = static_cast<unsigned>(lines);
  s.lines_a_victim = lines_a_victim;
  s.max_kinks = max_kinks;
  s.z_u = memory<T>(z[0], lines * s.net.layers[0].outputs, "z_u");
  s.z_v = memory<T>(z[1], lines * s.net.layers[0].outputs, "z_v");
  s.low = memory<double>(ranges[0], lines, "low");
  s.high = memory<double>(ranges[1], lines, "high");
  s.scale = memory<double>(ranges[2], lines, "scale");
  s.options = kernels::line_options(static_cast<double>(std::numeric_limits<T>::epsilon()), single_precision,
                                    tolerance, 0.5);
  s.options.float32_abscissas = single_precision;
  s.tolerance = kernels::gradient_tolerance(single_precision, tolerance);
  s.kink_t = memory<double>(out[0], kinks, "t");
  s.left_patterns = memory<std::uint32_t>(out[1], kinks * words, "left patterns");
  s.right_patterns = memory<std::uint32_t>(out[2], kinks * words, "right patterns");
  s.gaps = memory<double>(out[3], 2 * kinks, "gaps");
  s.base_values = memory<double>(out[4], lines, "base values");
  s.base_patterns = memory<std::uint32_t>(out[5], lines * words, "base patterns");
  s.kink_count = memory<std::int32_t>(out[6], lines, "kink counts");
  s.gap_count = memory<std::int32_t>(out[7], lines, "gap counts");
  s.overflow = memory<std::int32_t>(out[8], lines, "overflow");
  s.queries = memory<std::int64_t>(out[9], lines, "queries");
  const std::size_t bytes = numel(workspace);
  s.workspace = memory<unsigned char>(workspace, bytes, "workspace");
  const py::gil_scoped_release release;
  cuda::kink_search(s, bytes, stream_of(stream, device));
}

// Of pieces alone where left, t, lines and offsets are None.
template <class T>
void jumps(const py::list& weights, const py::list& biases, unsigned output, unsigned lines_a_victim,
           const py::object& line, const py::object& left, const py::object& right, const py::object& t,
           const py::object& origins, const py::object& directions, const py::object& out,
           const py::object& offsets, std::uintptr_t stream, int device) {
  kernels::KinkJumps<T> k;
  k.net = network<T>(weights, biases);
  const std::size_t count = numel(line), words = k.net.pattern_words(), d = k.net.inputs();
  k.output = output;
  k.count = static_cast<unsigned>(count);
  k.lines_a_victim = lines_a_victim;
  k.line = memory<std::int64_t>(line, count, "line");
  k.left = memory<std::uint32_t>(left, count * words, "left patterns");
  k.right = memory<std::uint32_t>(right, count * words, "right patterns");
  k.t = memory<double>(t, count, "t");
  k.origins = memory<double>(origins, numel(origins), "origins");
  k.directions = memory<double>(directions, numel(directions), "directions");
  k.jumps = memory<double>(out, count * d, "jumps");
  k.offsets = memory<double>(offsets, count, "offsets");
  const py::gil_scoped_release release;
  cuda::kink_jumps(k, stream_of(stream, device));
}

// out: t and units (lines, max_kinks), counts and overflow (lines,)
template <class T>
void enumerate(const py::list& weights, const py::list& biases, unsigned lines_a_victim, unsigned max_kinks,
               const py::list& z, const py::list& ranges, const py::list& out, std::uintptr_t stream,
               int device) {
  kernels::KinkEnumeration<T> k;
  k.net = network<T>(weights, biases);
  const std::size_t lines = extent(z[0], 0), kinks = lines * max_kinks;
  k.lines = static_cast<unsigned>(lines);
  k.lines_a_victim = lines_a_victim;
  k.max_kinks = max_kinks;
  k.z_u = memory<T>(z[0], lines * k.net.layers[0].outputs, "z_u");
  k.z_v = memory<T>(z[1], lines * k.net.layers[0].outputs, "z_v");
  k.low = memory<double>(ranges[0], lines, "low");
  k.high = memory<double>(ranges[1], lines, "high");
  k.kink_t = memory<double>(out[0], kinks, "t");
  k.unit = memory<std::int32_t>(out[1], kinks, "units");
  k.kink_count = memory<std::int32_t>(out[2], lines, "kink counts");
  k.overflow = memory<std::int32_t>(out[3], lines, "overflow");
  const py::gil_scoped_release release;
  cuda::enumerate_kinks(k, stream_of(stream, device));
}

template <class T>
void define(py::module_& m, const std::string& bits) {
  m.def(("kink_room" + bits).c_str(), &room<T>, py::arg("weights"), py::arg("biases"), py::arg("lines"),
        py::arg("max_kinks"), py::arg("device"));
  m.def(("kink_search" + bits).c_str(), &search_lines<T>, py::arg("weights"), py::arg("biases"),
        py::arg("output"), py::arg("lines_a_victim"), py::arg("max_kinks"), py::arg("tolerance"),
        py::arg("z"), py::arg("ranges"), py::arg("workspace"), py::arg("out"), py::arg("stream"),
        py::arg("device"));
  m.def(("enumerate_kinks" + bits).c_str(), &enumerate<T>, py::arg("weights"), py::arg("biases"),
        py::arg("lines_a_victim"), py::arg("max_kinks"), py::arg("z"), py::arg("ranges"), py::arg("out"),
        py::arg("stream"), py::arg("device"));
  m.def(("kink_jumps" + bits).c_str(), &jumps<T>, py::arg("weights"), py::arg("biases"), py::arg("output"),
        py::arg("lines_a_victim"), py::arg("line"), py::arg("left"), py::arg("right"), py::arg("t"),
        py::arg("origins"), py::arg("directions"), py::arg("jumps"), py::arg("offsets"), py::arg("stream"),
        py::arg("device"));
}

}  // namespace

void register_kinks(py::module_& m) {
  define<float>(m, "32");
  define<double>(m, "64");
}

}  // namespace divulge::bindings
