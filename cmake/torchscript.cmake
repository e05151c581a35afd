# libgerank_torchscript: runs scripted modules for the runtime, which loads it when an artifact asks for it.

file(GLOB torchscript_sources CONFIGURE_DEPENDS csrc/torchscript/*.cpp)
add_library(gerank_torchscript SHARED ${torchscript_sources})
target_include_directories(gerank_torchscript SYSTEM PRIVATE ${TORCH_INCLUDE_DIRS})
target_compile_options(gerank_torchscript PRIVATE -O3 -Wall -Wextra -Werror)
target_compile_definitions(gerank_torchscript PRIVATE "GERANK_VERSION=\"${gerank_version}\"")
target_link_libraries(gerank_torchscript PRIVATE gerank gerank_runtime torch)
set_target_properties(gerank_torchscript PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH "$ORIGIN;${GERANK_TORCH_RPATH}")
gerank_place(gerank_torchscript "${GERANK_LIBRARY_DIR}")
