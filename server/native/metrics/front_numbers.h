// What a front tells of itself, beside what the engine counts.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "counts.h"

namespace gerank::server {

struct FrontNumbers {
  // Counts the calls that have ended, by the path of their method and by their status; "" stands
  // for all methods that are not served.
  std::map<std::string, std::array<std::uint64_t, kStatusCodes>> calls;
  std::uint64_t not_grpc = 0;  // requests that got a status of HTTP
  std::uint64_t connections = 0, connections_opened = 0;
  std::uint64_t streams = 0, streams_opened = 0, streams_refused = 0;
  std::int64_t held_bytes = 0, held_bytes_limit = 0;
};

}  // namespace gerank::server
