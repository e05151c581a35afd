// What one connection is granted.
#pragma once

#include <chrono>
#include <cstdint>

namespace gerank::server {

// Until a caller must have heard that we leave: more than a loaded one takes to read twice.
inline constexpr std::chrono::seconds kLongestLeave{5};

struct Limits {
  std::uint32_t max_message_bytes;
  std::uint32_t max_calls_per_connection;
  std::uint32_t max_header_bytes;
  std::int64_t connection_buffer_bytes;
  std::chrono::seconds keepalive, keepalive_timeout;
  std::chrono::seconds max_connection_age;  // 0: any
};

}  // namespace gerank::server
