// What the methods of one front share.
#pragma once

#include <gerank/engine.h>

#include <atomic>
#include <cstdint>

namespace gerank::server {

struct Service {
  explicit Service(Engine& of) : engine(of) {}

  Engine& engine;
  std::atomic<bool> serving{false};   // what grpc.health.v1 says
  std::atomic<bool> draining{false};  // the engine takes no more
  std::atomic<std::int64_t> open_calls{0};
};

}  // namespace gerank::server
