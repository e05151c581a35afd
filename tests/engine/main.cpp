// engine_tests NAME: runs one test; without NAME, all.

#include <cstdio>
#include <exception>
#include <string_view>

#include "check.h"

int main(int argc, char** argv) {
  int failures = 0, runs = 0;
  for (const Test& test : all_tests()) {
    if (argc > 1 && test.name != std::string_view(argv[1])) continue;
    ++runs;
    try {
      test.run();
    } catch (const std::exception& error) {
      ++failures;
      std::fprintf(stderr, "%s: %s\n", test.name.c_str(), error.what());
    }
  }
  if (runs == 0) std::fprintf(stderr, "no such test\n");
  return failures > 0 || runs == 0;
}
