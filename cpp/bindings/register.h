#pragma once

#include <pybind11/pybind11.h>

// One function per topic, each in a file of its own.
namespace divulge::bindings {

void register_boosting(pybind11::module_& m);
void register_cholesky(pybind11::module_& m);
void register_config(pybind11::module_& m);
void register_curvature(pybind11::module_& m);
void register_network(pybind11::module_& m);
void register_oracle(pybind11::module_& m);
void register_rows(pybind11::module_& m);
void register_search(pybind11::module_& m);
void register_solve(pybind11::module_& m);
void register_unmask(pybind11::module_& m);

}  // namespace divulge::bindings
