// The log of connections that were refused before they could say anything.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace gerank::server {

// Writes to stderr, a few lines per second at most, so that nobody can fill a disk from outside;
// how many more there were is told later. Used by one thread.
class RefusalLog {
 public:
  // `peer` as peer_of() has it. `reason` is of printable characters.
  void tell_of(std::string_view peer, std::string_view reason);

 private:
  std::chrono::steady_clock::time_point since_{};
  int told_ = 0;
  std::uint64_t untold_ = 0;
};

// Who is at the other end of a connected socket: `127.0.0.1:4711`, `[::1]:4711`, or `a local
// client` where the socket has no port.
std::string peer_of(int descriptor);

}  // namespace gerank::server
