# The kernels for CUDA devices: machine code for sm_80 and sm_90, and PTX for what comes after.
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90)
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

file(GLOB DIVULGE_CUDA_SOURCES CONFIGURE_DEPENDS cpp/cuda/device/*.cu)
add_library(divulge_cuda STATIC ${DIVULGE_CUDA_SOURCES})
target_include_directories(divulge_cuda PRIVATE cpp cpp/cuda)
target_compile_options(divulge_cuda PRIVATE -Xptxas=-v $<$<BOOL:${DIVULGE_WERROR}>:-Werror=all-warnings>)
