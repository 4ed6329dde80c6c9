#include <pybind11/pybind11.h>

#include "bindings/register.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled core of divulge.";
  divulge::bindings::register_boosting(m);
  divulge::bindings::register_cholesky(m);
  divulge::bindings::register_config(m);
  divulge::bindings::register_curvature(m);
  divulge::bindings::register_network(m);
  divulge::bindings::register_oracle(m);
  divulge::bindings::register_rows(m);
  divulge::bindings::register_search(m);
  divulge::bindings::register_solve(m);
  divulge::bindings::register_unmask(m);
}
