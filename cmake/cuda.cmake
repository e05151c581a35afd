# The CUDA kernels and their glue, for -DGERANK_CUDA=ON. Needs nvcc and a CUDA build of torch.
#
# Included before torch is looked for, because torch's own CMake files read the architectures; the
# sources join the library when the rest of CMakeLists.txt is done.

# sm_80 and sm_90, and PTX that the driver compiles for later chips.
set(TORCH_CUDA_ARCH_LIST "8.0;9.0+PTX" CACHE STRING "GPU architectures, in torch's spelling")
set(GERANK_CUDA_ARCHITECTURES "80-real;90" CACHE STRING "The same, in CMake's spelling")

enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

function(gerank_add_cuda)
  if(NOT TORCH_CUDA_LIBRARIES AND NOT TARGET c10_cuda)
    message(FATAL_ERROR
            "GERANK_CUDA: torch ${Torch_VERSION} is a CPU build; install a CUDA build of torch")
  endif()
  # A target of its own: nvcc does not know the C++ compiler's options.
  file(GLOB kernels CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/csrc/ops/cuda/*.cu")
  add_library(gerank_kernels OBJECT ${kernels})
  set_target_properties(gerank_kernels PROPERTIES
      CUDA_ARCHITECTURES "${GERANK_CUDA_ARCHITECTURES}"
      CUDA_STANDARD 17
      CUDA_VISIBILITY_PRESET hidden
      POSITION_INDEPENDENT_CODE ON)
  target_compile_options(gerank_kernels PRIVATE -O3 -Xcompiler=-Wall,-Wextra)
  file(GLOB glue CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/csrc/ops/cuda/*.cpp")
  target_sources(gerank PRIVATE ${glue} $<TARGET_OBJECTS:gerank_kernels>)
  target_link_libraries(gerank PRIVATE CUDA::cudart)
endfunction()

cmake_language(DEFER CALL gerank_add_cuda)
