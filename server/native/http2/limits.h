// What one connection is granted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace gerank::server {

// What a stream may send before it has asked for room: HTTP/2's own default.
inline constexpr std::size_t kStreamWindow = 65535;

// What a message may have without asking for room, since no window is opened for it.
inline constexpr std::size_t kSmallMessage = kStreamWindow - 5;

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
