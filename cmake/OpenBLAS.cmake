# Finds the OpenBLAS of the scipy-openblas32 package (headers and a self-contained shared library whose symbols
# start with scipy_) in the Python that builds us. The package is not imported: it would load its library, which may be
# another machine's. Sets DIVULGE_OPENBLAS_LICENSE.
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)
execute_process(
  COMMAND ${Python_EXECUTABLE} -c
    "from importlib.util import find_spec; from pathlib import Path; \
print((Path(find_spec('scipy_openblas32').submodule_search_locations[0]) / 'lib').as_posix())"
  OUTPUT_VARIABLE DIVULGE_OPENBLAS_LIB OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE DIVULGE_OPENBLAS_FAILED)
if(DIVULGE_OPENBLAS_FAILED)
  message(FATAL_ERROR "${Python_EXECUTABLE} has no scipy-openblas32; pip install the version named in pyproject.toml")
endif()
find_package(OpenBLAS CONFIG REQUIRED PATHS ${DIVULGE_OPENBLAS_LIB}/cmake/openblas NO_DEFAULT_PATH)
if(WIN32)  # the package's file names the import library as the library, and one that it does not hold as that
  set_target_properties(OpenBLAS::OpenBLAS PROPERTIES
    IMPORTED_LOCATION ${DIVULGE_OPENBLAS_LIB}/libscipy_openblas.dll
    IMPORTED_IMPLIB ${DIVULGE_OPENBLAS_LIB}/libscipy_openblas.lib)
endif()

file(GLOB DIVULGE_OPENBLAS_LICENSE
  ${DIVULGE_OPENBLAS_LIB}/../../scipy_openblas32-${OpenBLAS_VERSION}.dist-info/licenses/LICENSE.txt)
if(NOT DIVULGE_OPENBLAS_LICENSE)
  message(FATAL_ERROR "no licence text beside OpenBLAS ${OpenBLAS_VERSION} in ${DIVULGE_OPENBLAS_LIB}")
endif()
