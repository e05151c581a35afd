# libgerank_runtime: artifacts, batching, threads, and the whole page in one native pass, with the CPU kernels
# that the ops share. Neither its sources nor its public headers need torch.

find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)

file(GLOB kernel_sources CONFIGURE_DEPENDS csrc/kernels/*.cpp csrc/page/*.cpp)
add_library(gerank_page OBJECT ${kernel_sources})
target_include_directories(gerank_page PRIVATE "${CMAKE_SOURCE_DIR}/csrc/include")
# Without errno and floating-point traps, which nobody here reads, GCC turns the maximum and the
# exponential of the inner loops into vector instructions. Results stay IEEE's, bit for bit.
target_compile_options(gerank_page PRIVATE -O3 -fno-math-errno -fno-trapping-math -Wall -Wextra -Werror)
# The kernels once per instruction set; the library picks one when it runs.
# GCC's own AVX-512 intrinsics read an undefined register on purpose and warn about it.
set_source_files_properties(csrc/kernels/kernels_avx512.cpp PROPERTIES COMPILE_OPTIONS
    "-mavx512f;-mavx512dq;-mavx512bw;-mavx512vl;-mfma;-Wno-uninitialized;-Wno-maybe-uninitialized")
set_source_files_properties(csrc/kernels/kernels_avx512bf16.cpp PROPERTIES COMPILE_OPTIONS
    "-mavx512f;-mavx512dq;-mavx512bw;-mavx512vl;-mavx512bf16;-mfma;-Wno-uninitialized;-Wno-maybe-uninitialized")
set_source_files_properties(csrc/kernels/kernels_avx2.cpp PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
set_target_properties(gerank_page PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

file(GLOB runtime_sources CONFIGURE_DEPENDS csrc/engine/*/*.cpp)
add_library(gerank_runtime SHARED ${runtime_sources} $<TARGET_OBJECTS:gerank_page>)
target_include_directories(gerank_runtime PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/csrc/include>)
target_compile_options(gerank_runtime PRIVATE -O3 -Wall -Wextra -Werror
    -Wno-restrict)  # GCC 12 sees overlaps in "text" + std::to_string(n) where there are none (its bug 105651)
target_link_libraries(gerank_runtime PRIVATE Threads::Threads OpenMP::OpenMP_CXX ${CMAKE_DL_LIBS})
# It and the TorchScript part, which it loads, know each other by the version.
set_source_files_properties(csrc/engine/artifact/torchscript_part.cpp PROPERTIES
    COMPILE_DEFINITIONS "GERANK_VERSION=\"${gerank_version}\"")
set_target_properties(gerank_runtime PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH "$ORIGIN")
gerank_place(gerank_runtime "${GERANK_LIBRARY_DIR}")
