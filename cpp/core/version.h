#pragma once

// The one place that holds the version: CMakeLists.txt and pyproject.toml read it from here.
#define DIVULGE_VERSION "0.1.0"
