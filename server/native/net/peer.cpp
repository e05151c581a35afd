#include "peer.h"

#include <netdb.h>
#include <sys/socket.h>

#include <string_view>

namespace gerank::server {
namespace {

// How a socket for both families writes an IPv4 address.
constexpr std::string_view kMapped = "::ffff:";

}  // namespace

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
