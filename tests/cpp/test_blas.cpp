#include <doctest/doctest.h>
#include "core/blas.h"
TEST_CASE("blas names itself") { CHECK(divulge::blas_description().find("OpenBLAS") != std::string::npos); }
