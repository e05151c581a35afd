# gerank_wire: bytes of a request in, bytes of an answer out. A part of every front, so it is linked into each;
# it needs the engine's plain headers, and neither torch nor libprotobuf.

file(GLOB GERANK_WIRE_SOURCES CONFIGURE_DEPENDS csrc/wire/*.cpp)
add_library(gerank_wire STATIC ${GERANK_WIRE_SOURCES})
target_include_directories(gerank_wire PUBLIC "${CMAKE_SOURCE_DIR}/csrc")
target_compile_options(gerank_wire PRIVATE -O3 -Wall -Wextra -Werror
    -Wno-restrict)  # GCC 12 sees overlaps in "text" + std::to_string(n) where there are none (its bug 105651)
target_link_libraries(gerank_wire PUBLIC gerank_runtime)
set_target_properties(gerank_wire PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
