// What the libraries show to programs that link them; everything else is hidden.
#pragma once

// 201709L is what GCC 10 calls C++20.
#if __cplusplus < 201709L
#error "gerank's headers need C++20: compile with -std=c++20, or with CMAKE_CXX_STANDARD 20"
#endif

#define GERANK_EXPORT __attribute__((visibility("default")))
