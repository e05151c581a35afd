// An engine for fuzzers: its model fills slates with the first candidates.
#pragma once

#include <gerank/engine.h>

#include <memory>

// Starts it; the process ends where that fails.
std::unique_ptr<gerank::Engine> start_engine();
