# libgerank_engine: artifacts, batching, threads. Few of its sources include torch; its public headers do not.

file(GLOB GERANK_ENGINE_SOURCES CONFIGURE_DEPENDS csrc/engine/*/*.cpp)
add_library(gerank_engine SHARED ${GERANK_ENGINE_SOURCES})
find_package(Threads REQUIRED)
target_include_directories(gerank_engine
    PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/csrc/include>)
target_include_directories(gerank_engine SYSTEM PRIVATE ${TORCH_INCLUDE_DIRS})
target_compile_options(gerank_engine PRIVATE -O3 -Wall -Wextra -Werror)
target_link_libraries(gerank_engine PRIVATE gerank torch Threads::Threads)
set_target_properties(gerank_engine PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    # Of libgerank there must be one copy in a process: the one beside this library.
    BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH "${GERANK_RPATH}")
gerank_place(gerank_engine "${GERANK_LIBRARY_DIR}")
