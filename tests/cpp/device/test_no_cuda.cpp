#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "cuda/masked_least_squares.h"

using namespace divulge;

TEST_CASE("what was built without CUDA says how to build it") {
  std::string message;
  try {
    cuda::plan_masked_least_squares(1, 2, 3, 0);
  } catch (const std::runtime_error& error) {
    message = error.what();
  }
  CHECK(message.find("DIVULGE_CUDA=ON") != std::string::npos);
}
