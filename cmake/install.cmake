# Two components: what setup.py puts into the package, whose libraries got there by themselves, and a
# C++ installation of its own (make install-cpp). `find_package(gerank)` reads the same files in both.

include(CMakePackageConfigHelpers)
# Before 1.0 a minor version may break what the one before it promised.
write_basic_package_version_file("${CMAKE_BINARY_DIR}/gerankConfigVersion.cmake"
    VERSION "${PROJECT_VERSION}" COMPATIBILITY SameMinorVersion)
set(package_files cmake/gerankConfig.cmake "${CMAKE_BINARY_DIR}/gerankConfigVersion.cmake")

install(DIRECTORY csrc/include/ DESTINATION include COMPONENT package)
install(FILES ${package_files} DESTINATION lib/cmake/gerank COMPONENT package)

install(DIRECTORY csrc/include/ DESTINATION include COMPONENT cpp EXCLUDE_FROM_ALL)
install(FILES ${package_files} DESTINATION lib/cmake/gerank COMPONENT cpp EXCLUDE_FROM_ALL)
install(TARGETS gerank gerank_engine LIBRARY DESTINATION lib COMPONENT cpp EXCLUDE_FROM_ALL)
