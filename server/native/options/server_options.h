// Everything that a server can be told, whoever tells it: a file, the command line, Python.
#pragma once

#include <gerank/engine.h>

#include <chrono>
#include <string>

#include "../front.h"
#include "../log/log_line.h"
#include "exposures/exposure_log.h"

namespace gerank::server {

// How a server ends.
struct StopOptions {
  // Calls have so long to end.
  std::chrono::seconds grace{10};

  // The server serves on for so long before that, with NOT_SERVING as its health.
  std::chrono::seconds pre_stop_delay{0};
};

// What a server writes to standard error.
struct LogOptions {
  LogLevel level = LogLevel::kWarning;  // the least to tell
  LogFormat format = LogFormat::kText;
};

struct ServerOptions {
  std::string model;  // the artifact that is served as "default"
  EngineOptions engine;
  FrontOptions front;
  StopOptions stop;
  LogOptions log;
  exposures::ExposureLogOptions exposures;  // without a folder none is kept
  std::string metrics_address;  // where /metrics and /healthz are served; empty: nowhere
};

}  // namespace gerank::server
