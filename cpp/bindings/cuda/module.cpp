#include "bindings/cuda/tensor.h"
#include "core/version.h"

PYBIND11_MODULE(_cuda, m) {
  m.doc() = "The CUDA back end of divulge.";
  m.attr("__version__") = DIVULGE_VERSION;
  m.attr("architectures") = DIVULGE_ARCHITECTURES;  // separated by commas
  divulge::bindings::register_masked(m);
  divulge::bindings::register_kinks(m);
  divulge::bindings::register_curvature(m);
}
