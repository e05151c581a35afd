# Two components: what setup.py puts into the package, whose libraries got there by themselves, and a
# C++ installation of its own (make install-cpp). `find_package(gerank)` reads the same file in both.

install(DIRECTORY csrc/include/ DESTINATION include COMPONENT package)
install(FILES cmake/gerankConfig.cmake DESTINATION lib/cmake/gerank COMPONENT package)

install(DIRECTORY csrc/include/ DESTINATION include COMPONENT cpp EXCLUDE_FROM_ALL)
install(FILES cmake/gerankConfig.cmake DESTINATION lib/cmake/gerank COMPONENT cpp EXCLUDE_FROM_ALL)
install(TARGETS gerank gerank_engine LIBRARY DESTINATION lib COMPONENT cpp EXCLUDE_FROM_ALL)
