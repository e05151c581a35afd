// What the methods of one front share.
#pragma once

#include <gerank/engine.h>

#include <atomic>
#include <cstdint>

#include "exposures/exposure_log.h"

namespace gerank::server {

struct Service {
  Service(Engine& of, exposures::ExposureLog* log) : engine(of), exposures(log) {}

  Engine& engine;
  exposures::ExposureLog* const exposures;  // where answered calls are written down; null: nowhere
  std::atomic<bool> serving{false};         // what grpc.health.v1 says
  std::atomic<bool> draining{false};        // the engine takes no more
  std::atomic<std::int64_t> open_calls{0};
};

}  // namespace gerank::server
