# Components: `package` is what setup.py puts into the package, whose libraries got there by themselves; `cpp` is
# a C++ installation of its own (make install-cpp), and `runtime` the part of it that needs no torch. `find_package(gerank)` reads the same files in both.

include(CMakePackageConfigHelpers)
# Before 1.0 a minor version may break what the one before it promised.
write_basic_package_version_file("${CMAKE_BINARY_DIR}/gerankConfigVersion.cmake"
    VERSION "${PROJECT_VERSION}" COMPATIBILITY SameMinorVersion)
set(package_files cmake/gerankConfig.cmake "${CMAKE_BINARY_DIR}/gerankConfigVersion.cmake")

install(DIRECTORY csrc/include/ DESTINATION include COMPONENT package)
install(FILES ${package_files} DESTINATION lib/cmake/gerank COMPONENT package)

foreach(component cpp runtime)
  install(DIRECTORY csrc/include/ DESTINATION include COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${package_files} DESTINATION lib/cmake/gerank COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(TARGETS gerank_runtime LIBRARY DESTINATION lib COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
if(GERANK_TORCH)
  install(TARGETS gerank gerank_torchscript LIBRARY DESTINATION lib COMPONENT cpp EXCLUDE_FROM_ALL)
endif()
