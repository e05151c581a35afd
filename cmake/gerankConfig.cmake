# find_package(gerank): for C++ programs that embed gerank.
#
#   gerank::engine   queries in, slates out (gerank/engine.h, gerank/ranker.h). Its headers need no torch.
#   gerank::ops      the ops alone, registered with torch's dispatcher (gerank/ops.h). A program that
#                    calls them finds torch by itself: find_package(Torch).
#
#   cmake -DCMAKE_PREFIX_PATH="$(python -c 'import gerank; print(gerank.cmake_prefix_path)')" ...
#
# Both libraries are built with g++ against one torch, and find it where it was then, or, in a wheel,
# beside themselves.

get_filename_component(_gerank_root "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

foreach(_gerank_part ops engine)
  if(TARGET gerank::${_gerank_part})
    continue()
  endif()
  set(_gerank_name libgerank)
  if(_gerank_part STREQUAL engine)
    set(_gerank_name libgerank_engine)
  endif()
  if(NOT EXISTS "${_gerank_root}/lib/${_gerank_name}.so")
    set(gerank_FOUND FALSE)
    set(gerank_NOT_FOUND_MESSAGE "${_gerank_root}/lib/${_gerank_name}.so is missing: build gerank first")
    return()
  endif()
  add_library(gerank::${_gerank_part} SHARED IMPORTED)
  set_target_properties(gerank::${_gerank_part} PROPERTIES
      IMPORTED_LOCATION "${_gerank_root}/lib/${_gerank_name}.so"
      INTERFACE_INCLUDE_DIRECTORIES "${_gerank_root}/include"
      INTERFACE_COMPILE_FEATURES cxx_std_20
      # torch is found when the program runs; the linker need not look into it.
      INTERFACE_LINK_OPTIONS "LINKER:--allow-shlib-undefined")
endforeach()

find_package(Threads QUIET)
if(TARGET Threads::Threads)
  set_property(TARGET gerank::engine APPEND PROPERTY INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()

unset(_gerank_root)
unset(_gerank_name)
unset(_gerank_part)
