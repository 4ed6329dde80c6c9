# The Python extension divulge._core, installed beside the OpenBLAS that it loads.
find_package(pybind11 CONFIG REQUIRED)

file(GLOB DIVULGE_BINDING_SOURCES CONFIGURE_DEPENDS cpp/bindings/*.cpp)
# All bindings in one unit: pybind11 is read, and its templates are compiled, once and not a dozen times. They hold no
# kernel, so that neither -O3 nor link-time optimisation, which NO_EXTRAS leaves out, makes anything faster.
pybind11_add_module(_core NO_EXTRAS ${DIVULGE_BINDING_SOURCES})
if(NOT CMAKE_BUILD_TYPE MATCHES "Deb")  # Debug, RelWithDebInfo
  pybind11_strip(_core)
endif()
target_link_libraries(_core PRIVATE divulge_core)
set_target_properties(_core PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
target_compile_options(_core PRIVATE $<$<CONFIG:Release>:-O1>)

# The core's flags as build_config() shows them.
string(STRIP "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_RELEASE} -O3" DIVULGE_FLAGS)
target_compile_definitions(_core PRIVATE
  "DIVULGE_COMPILER=\"${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}\"" "DIVULGE_FLAGS=\"${DIVULGE_FLAGS}\"")

if(APPLE)
  set_target_properties(_core PROPERTIES INSTALL_RPATH "@loader_path")
else()
  set_target_properties(_core PROPERTIES INSTALL_RPATH "$ORIGIN")
endif()
install(TARGETS _core LIBRARY DESTINATION divulge)
install(IMPORTED_RUNTIME_ARTIFACTS OpenBLAS::OpenBLAS DESTINATION divulge)
install(FILES ${DIVULGE_OPENBLAS_LICENSE} DESTINATION divulge/licenses RENAME OpenBLAS.txt)

# divulge._cuda; with DIVULGE_CUDA_ON_HOST the same bindings on kernels that blocks of threads on the host run.
if(DIVULGE_CUDA OR DIVULGE_CUDA_ON_HOST)
  file(GLOB DIVULGE_CUDA_BINDINGS CONFIGURE_DEPENDS cpp/bindings/cuda/*.cpp)
  pybind11_add_module(_cuda ${DIVULGE_CUDA_BINDINGS})
  target_link_libraries(_cuda PRIVATE divulge_launchers divulge_options)
  if(DIVULGE_CUDA)
    target_link_libraries(_cuda PRIVATE divulge_cuda CUDA::cudart_static)
    list(JOIN CMAKE_CUDA_ARCHITECTURES "," DIVULGE_ARCHITECTURES)
    install(TARGETS _cuda LIBRARY DESTINATION divulge)
  else()
    set(device ${CMAKE_CURRENT_SOURCE_DIR}/tests/cpp/device)
    target_sources(_cuda PRIVATE ${device}/launch_host.cpp ${device}/run_fibres.cpp ${device}/run_threads.cpp
      ${device}/host_blas.cpp)
    target_include_directories(_cuda PRIVATE tests/cpp)
    target_link_libraries(_cuda PRIVATE divulge_core)
    set(DIVULGE_ARCHITECTURES host)
  endif()
  set_source_files_properties(cpp/bindings/cuda/module.cpp PROPERTIES COMPILE_DEFINITIONS
    "DIVULGE_ARCHITECTURES=\"${DIVULGE_ARCHITECTURES}\"")
endif()
