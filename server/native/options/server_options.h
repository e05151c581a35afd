// Everything that a server can be told, whoever tells it: a file, the command line, Python.
#pragma once

#include <gerank/engine.h>

#include <chrono>
#include <string>

#include "../front.h"

namespace gerank::server {

// How a server ends.
struct StopOptions {
  // Calls have so long to end.
  std::chrono::seconds grace{10};

  // The server serves on for so long before that, with NOT_SERVING as its health.
  std::chrono::seconds pre_stop_delay{0};
};

struct ServerOptions {
  std::string model;  // the artifact that is served as "default"
  EngineOptions engine;
  FrontOptions front;
  StopOptions stop;
};

}  // namespace gerank::server
