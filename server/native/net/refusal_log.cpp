#include "refusal_log.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "../telling.h"

namespace gerank::server {
namespace {

constexpr int kPerSecond = 10;

// How a socket for both families writes an IPv4 address.
constexpr std::string_view kMapped = "::ffff:";

}  // namespace

void RefusalLog::tell_of(std::string_view peer, std::string_view reason) {
  const auto now = std::chrono::steady_clock::now();
  if (now - since_ >= std::chrono::seconds(1)) {
    since_ = now;
    told_ = 0;
    if (const std::uint64_t untold = std::exchange(untold_, 0); untold > 0) {
      tell(STDERR_FILENO, "gerank: " + std::to_string(untold) + " more connections were refused\n");
    }
  }
  if (++told_ > kPerSecond) {
    ++untold_;
    return;
  }
  tell(STDERR_FILENO,
       "gerank: connection of " + std::string(peer) + " refused: " + std::string(reason) + "\n");
}

std::string peer_of(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getpeername(descriptor, generic, &size) != 0) return "a client that has gone";
  if (address.ss_family == AF_UNIX ||
      getnameinfo(generic, size, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "a local client";
  }
  std::string name(host);
  if (name.rfind(kMapped, 0) == 0) name.erase(0, kMapped.size());
  return (name.find(':') == std::string::npos ? name : "[" + name + "]") + ":" + port;
}

}  // namespace gerank::server
