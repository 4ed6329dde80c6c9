#include <pybind11/pybind11.h>

#include "bindings/register.h"
#include "core/linalg/blas.h"
#include "core/parallel/thread_pool.h"
#include "core/version.h"

namespace py = pybind11;

namespace divulge::bindings {
namespace {

py::dict build_config() {
  py::dict config;
  config["version"] = DIVULGE_VERSION;
  config["compiler"] = DIVULGE_COMPILER;
  config["flags"] = DIVULGE_FLAGS;
  config["blas"] = blas_description();
  config["threads"] = threads();
  return config;
}

}  // namespace

void register_config(py::module_& m) {
  m.attr("__version__") = DIVULGE_VERSION;
  m.def("build_config", &build_config);
  m.def("threads", &threads);
  m.def("set_threads", &set_threads, py::arg("n"), py::call_guard<py::gil_scoped_release>());
}

}  // namespace divulge::bindings
