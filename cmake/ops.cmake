# libgerank: the ops, registered with torch's dispatcher. Their CPU kernels are those of the runtime.

find_package(Torch REQUIRED)
# A wheel lies beside torch's; everything else looks where torch was at build time.
if(CMAKE_BUILD_WITH_INSTALL_RPATH)
  set(GERANK_TORCH_RPATH "$ORIGIN/../../torch/lib")
else()
  set(GERANK_TORCH_RPATH "${TORCH_INSTALL_PREFIX}/lib")
endif()

file(GLOB op_sources CONFIGURE_DEPENDS
     csrc/ops/*.cpp csrc/ops/cpu/*.cpp csrc/ops/meta/*.cpp csrc/ops/autograd/*.cpp csrc/ops/composite/*.cpp)
add_library(gerank SHARED ${op_sources})
target_include_directories(gerank SYSTEM PRIVATE ${TORCH_INCLUDE_DIRS})
target_include_directories(gerank PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/csrc/include>)
# at::parallel_for is serial in a translation unit that is compiled without OpenMP.
target_compile_options(gerank PRIVATE
    -O3 -fno-math-errno -fno-trapping-math -fopenmp -Wall -Wextra -Werror)
# Torch's headers take far longer to read than our sources: they are read once.
target_precompile_headers(gerank PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:<torch/library.h$<ANGLE-R>>"
    "$<$<COMPILE_LANGUAGE:CXX>:<ATen/core/Tensor.h$<ANGLE-R>>")
target_link_options(gerank PRIVATE -fopenmp)
target_link_libraries(gerank PRIVATE gerank_runtime torch)
set_target_properties(gerank PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    # A process must have one copy of the runtime: the one beside this library.
    BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH "$ORIGIN;${GERANK_TORCH_RPATH}")

# The library says which torch it was built for, since no other may load it.
set_source_files_properties(csrc/ops/torch_mismatch.cpp PROPERTIES
    COMPILE_DEFINITIONS "GERANK_TORCH_VERSION=\"${Torch_VERSION}\"")
gerank_place(gerank "${GERANK_LIBRARY_DIR}")
