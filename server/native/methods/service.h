// What the methods of one front share.
#pragma once

#include <gerank/engine.h>

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../routes/route_table.h"
#include "exposures/exposure_log.h"

namespace gerank::server {

struct Service {
  Engine& engine;
  RouteTable& routes;
  exposures::ExposureLog* const exposures;  // where answered calls are written down; null: nowhere
  const std::vector<std::string_view> names;  // of its gRPC services, as health knows them
  std::atomic<bool> serving{false};           // what grpc.health.v1 says
  std::atomic<bool> draining{false};          // no more calls are taken
  std::atomic<std::int64_t> open_calls{0};
};

}  // namespace gerank::server
