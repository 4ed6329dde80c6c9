# The Python extension divulge._core, installed beside the OpenBLAS that it loads.
find_package(pybind11 CONFIG REQUIRED)

file(GLOB DIVULGE_BINDING_SOURCES CONFIGURE_DEPENDS cpp/bindings/*.cpp)
pybind11_add_module(_core ${DIVULGE_BINDING_SOURCES})
target_link_libraries(_core PRIVATE divulge_core)

# The flags as build_config() shows them.
string(STRIP "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_RELEASE} -O3" DIVULGE_FLAGS)
set_source_files_properties(cpp/bindings/register_config.cpp PROPERTIES COMPILE_DEFINITIONS
  "DIVULGE_COMPILER=\"${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}\";DIVULGE_FLAGS=\"${DIVULGE_FLAGS}\"")

set_target_properties(_core PROPERTIES INSTALL_RPATH "$ORIGIN")
install(TARGETS _core LIBRARY DESTINATION divulge)
install(IMPORTED_RUNTIME_ARTIFACTS OpenBLAS::OpenBLAS DESTINATION divulge)
install(FILES ${DIVULGE_OPENBLAS_LICENSE} DESTINATION divulge/licenses RENAME OpenBLAS.txt)
