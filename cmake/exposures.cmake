# gerank_exposures: what a server answered, as records in files. A part of every front, as gerank_wire is, and
# of the Python module; it needs neither torch nor libprotobuf.

file(GLOB GERANK_EXPOSURE_SOURCES CONFIGURE_DEPENDS csrc/exposures/*.cpp)
add_library(gerank_exposures STATIC ${GERANK_EXPOSURE_SOURCES})
target_compile_options(gerank_exposures PRIVATE -O3 -Wall -Wextra -Werror
    -Wno-restrict)  # GCC 12 sees overlaps in "text" + std::to_string(n) where there are none (its bug 105651)
target_link_libraries(gerank_exposures PUBLIC gerank_wire Threads::Threads)
set_target_properties(gerank_exposures PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
