# One target per room, one test program per room; warnings and sanitizers are set here and nowhere else.

add_library(eddy_options INTERFACE)
target_compile_options(eddy_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
set(EDDY_SANITIZE "" CACHE STRING "address, thread, or empty")
if(EDDY_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(EDDY_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
endif()

# For sources of tests. With sanitizers two thirds of a build went into theirs (templates of doctest and RapidCheck):
# they do without optimisation, and without the checks of each pointer that the rooms themselves keep.
add_library(eddy_test_options INTERFACE)
if(EDDY_SANITIZE STREQUAL "address")
  target_compile_options(eddy_test_options INTERFACE -O0 -fno-sanitize=null,alignment,vptr,object-size)
endif()

find_program(EDDY_LLD ld.lld)
if(EDDY_LLD)
  add_link_options(-fuse-ld=lld)
endif()

# eddy_room(<target> SOURCES ... DEPS ...): a static library whose headers are included by their path from the
# repository's root ("ring/ring.hpp").
function(eddy_room target)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${target} STATIC ${ARG_SOURCES})
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC eddy_include ${ARG_DEPS} PRIVATE eddy_options)
endfunction()

# eddy_program(<name> SOURCES ... DEPS ...): lands in <build>/bin.
function(eddy_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE eddy_include ${ARG_DEPS} eddy_options)
endfunction()

# eddy_test(<name> SOURCES ... DEPS ... [LABELS ...]): one doctest program, one CTest entry. doctest's
# main is compiled once, into eddy_test_main. EDDY_SOURCE_DIR is the repository's root.
function(eddy_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  if(NOT TARGET eddy_test_main)
    find_package(doctest REQUIRED)
    find_package(rapidcheck REQUIRED)
    add_library(eddy_test_main STATIC ${CMAKE_SOURCE_DIR}/tests/support/main.cpp)
    target_link_libraries(eddy_test_main PUBLIC doctest::doctest PRIVATE eddy_test_options)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE EDDY_SOURCE_DIR="${CMAKE_SOURCE_DIR}" EDDY_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_link_libraries(${name} PRIVATE eddy_include ${ARG_DEPS} eddy_test_main rapidcheck eddy_options eddy_test_options)
  add_test(NAME ${name} COMMAND ${name})
  # One seed for every run of the suite; rapidcheck prints it when a property fails.
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" ENVIRONMENT "RC_PARAMS=seed=20220911")
endfunction()
