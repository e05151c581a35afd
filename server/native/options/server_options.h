// Everything that a server can be told, whoever tells it: a file, the command line, Python.
#pragma once

#include <gerank/engine.h>

#include <chrono>
#include <string>
#include <vector>

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

// The name of a model of which nobody gives the name.
inline constexpr const char* kDefaultModel = "default";

// An artifact that is loaded at the start, and again when its file has changed.
struct ModelFile {
  std::string name, path;
  bool operator==(const ModelFile&) const = default;
};

// Where gerank.v1.AdminService is served; the certificates are those of the front.
struct AdminOptions {
  std::string address;     // empty: nowhere
  std::string token_file;  // as FrontOptions::token_file
  bool plaintext = false;  // as FrontOptions::plaintext
};

struct ServerOptions {
  std::vector<ModelFile> models;  // the first answers calls that name none; the names differ
  EngineOptions engine;
  FrontOptions front;
  StopOptions stop;
  LogOptions log;
  exposures::ExposureLogOptions exposures;  // without a folder none is kept
  AdminOptions admin;
  std::string metrics_address;  // where /metrics and /healthz are served; empty: nowhere
};

}  // namespace gerank::server
