# Copies what a target builds into a folder, by a rename, so that no process ever opens half a file.
function(gerank_place target folder)
  set(place "${folder}/$<TARGET_FILE_NAME:${target}>")
  add_custom_command(TARGET ${target} POST_BUILD
      COMMAND ${CMAKE_COMMAND} -E make_directory "${folder}"
      COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_FILE:${target}> "${place}.new"
      COMMAND ${CMAKE_COMMAND} -E rename "${place}.new" "${place}"
      VERBATIM)
endfunction()
