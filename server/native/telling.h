// What a server prints. It must not keep the server from its work, whoever reads it.
#pragma once

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace gerank::server {

// Writes what the descriptor takes at once; the rest is lost. A pipe whose reader is alive but does
// not read takes nothing once it is full, and a write of more than PIPE_BUF bytes could wait in the
// middle.
inline void tell(int descriptor, std::string_view text) {
  while (!text.empty()) {
    pollfd ready{descriptor, POLLOUT, 0};
    if (poll(&ready, 1, 0) != 1) return;
    const ssize_t written =
        write(descriptor, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace gerank::server
