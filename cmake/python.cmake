# gerank/_engine: the Python module over the engine. The only target that knows Python.

find_package(Python COMPONENTS Interpreter Development.Module REQUIRED)
find_package(pybind11 CONFIG REQUIRED)

set(GERANK_MODULE_DIR "${CMAKE_SOURCE_DIR}/gerank" CACHE PATH
    "Folder that gets the Python module: the package")
file(GLOB module_sources CONFIGURE_DEPENDS csrc/python/*.cpp)
pybind11_add_module(gerank_module ${module_sources})
target_compile_options(gerank_module PRIVATE -Wall -Wextra -Werror)
target_link_libraries(gerank_module PRIVATE gerank_exposures gerank_wire gerank_runtime)
set_target_properties(gerank_module PROPERTIES
    OUTPUT_NAME _engine
    BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH "$ORIGIN/lib")
gerank_place(gerank_module "${GERANK_MODULE_DIR}")
