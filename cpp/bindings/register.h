#pragma once

#include <pybind11/pybind11.h>

// One function per topic, each in a file of its own.
namespace divulge::bindings {

void register_config(pybind11::module_& m);

}  // namespace divulge::bindings
