// What a front counts beside the engine: at the cost of a load and a store each.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gerank::server {

// Written by one thread, read by any.
class Count {
 public:
  void add(std::uint64_t more = 1) { set(get() + more); }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

inline constexpr std::size_t kStatusCodes = 17;  // of google.rpc.Code

// Calls that have ended, by their status.
using EndedCalls = std::array<Count, kStatusCodes>;

// How the log and the metrics name the method of a call that is of none that is served.
inline constexpr std::string_view kNoMethodLabel = "unknown";

// What one front thread counts.
struct ThreadCounts {
  Count connections;         // that are open
  Count connections_opened;  // ever
  Count streams_opened, streams_closed;
  Count streams_refused;  // beyond what one connection may have open
  Count not_grpc;         // requests that got a status of HTTP
  EndedCalls no_method;  // calls of no method that is served, or with larger headers than are taken
};

}  // namespace gerank::server
