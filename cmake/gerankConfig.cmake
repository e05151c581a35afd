# find_package(gerank): for C++ programs that embed gerank.
#
#   gerank::runtime  queries in, slates out (gerank/engine.h, gerank/ranker.h). It needs no torch; for an
#                    artifact that is no stock generator it loads libgerank_torchscript, which does.
#   gerank::ops      the ops alone, registered with torch's dispatcher (gerank/ops.h). A program that
#                    calls them finds torch by itself: find_package(Torch).
#
#   find_package(gerank REQUIRED)                     # both
#   find_package(gerank REQUIRED COMPONENTS runtime)  # also where there is no torch
#
#   cmake -DCMAKE_PREFIX_PATH="$(python -c 'import gerank; print(gerank.cmake_prefix_path)')" ...
#
# All libraries are built with g++; those that need torch are built against one, and find it where it was
# then, or, in a wheel, beside themselves.

get_filename_component(_gerank_root "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT gerank_FIND_COMPONENTS)
  set(gerank_FIND_COMPONENTS runtime ops)
endif()
foreach(_gerank_part IN LISTS gerank_FIND_COMPONENTS)
  if(_gerank_part STREQUAL runtime)
    set(_gerank_name libgerank_runtime)
  elseif(_gerank_part STREQUAL ops)
    set(_gerank_name libgerank)
  else()
    set(gerank_FOUND FALSE)
    set(gerank_NOT_FOUND_MESSAGE "gerank has the components runtime and ops, and no ${_gerank_part}")
    return()
  endif()
  if(TARGET gerank::${_gerank_part})
    continue()
  endif()
  if(NOT EXISTS "${_gerank_root}/lib/${_gerank_name}.so")
    set(gerank_FOUND FALSE)
    set(gerank_NOT_FOUND_MESSAGE
        "${_gerank_root}/lib/${_gerank_name}.so is missing: the component ${_gerank_part} was not built or not installed \
here. A program that needs the other one alone asks for it: find_package(gerank COMPONENTS runtime)")
    return()
  endif()
  add_library(gerank::${_gerank_part} SHARED IMPORTED)
  set_target_properties(gerank::${_gerank_part} PROPERTIES
      IMPORTED_LOCATION "${_gerank_root}/lib/${_gerank_name}.so"
      INTERFACE_INCLUDE_DIRECTORIES "${_gerank_root}/include"
      INTERFACE_COMPILE_FEATURES cxx_std_20
      # What a library needs itself is found when the program runs; the linker need not look into it.
      INTERFACE_LINK_OPTIONS "LINKER:--allow-shlib-undefined")
endforeach()

if(TARGET gerank::runtime)
  find_package(Threads QUIET)
  if(TARGET Threads::Threads)
    set_property(TARGET gerank::runtime APPEND PROPERTY INTERFACE_LINK_LIBRARIES Threads::Threads)
  endif()
endif()

unset(_gerank_root)
unset(_gerank_name)
unset(_gerank_part)
