#include "listening_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace gerank::server {
namespace {

constexpr int kBacklog = 4096;  // the kernel cuts it to net.core.somaxconn

Status cannot(const std::string& target, const std::string& why) {
  return {Code::kUnavailable, "cannot listen on " + target + ": " + why};
}

bool take_scheme(std::string_view* text, std::string_view scheme) {
  if (text->substr(0, scheme.size()) != scheme) return false;
  text->remove_prefix(scheme.size());
  return true;
}

// `abstract`: its name begins with a 0 byte and has no file.
bool to_unix(std::string_view path, bool abstract, SocketAddress* address) {
  sockaddr_un* const to = reinterpret_cast<sockaddr_un*>(&address->storage);
  if (path.empty() || path.size() + 1 > sizeof to->sun_path) return false;
  to->sun_family = AF_UNIX;
  path.copy(to->sun_path + abstract, path.size());
  address->size = socklen_t(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return true;
}

bool is_wildcard(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr == INADDR_ANY;
  }
  return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

bool has_ipv6() {
  const int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe != -1) close(probe);
  return probe != -1;
}

// [::], where IPv4 arrives too.
SocketAddress every_address(const sockaddr& ipv4) {
  SocketAddress address;
  sockaddr_in6* const to = reinterpret_cast<sockaddr_in6*>(&address.storage);
  to->sin6_family = AF_INET6;
  to->sin6_port = reinterpret_cast<const sockaddr_in&>(ipv4).sin_port;
  address.size = sizeof *to;
  return address;
}

in_port_t* port_of(SocketAddress* address) {
  if (address->family() == AF_UNIX) return nullptr;
  return address->family() == AF_INET
             ? &reinterpret_cast<sockaddr_in*>(&address->storage)->sin_port
             : &reinterpret_cast<sockaddr_in6*>(&address->storage)->sin6_port;
}

// Opens, binds and listens; -1 and errno where it cannot.
int listen_at(const SocketAddress& address) {
  const int descriptor = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor == -1) return -1;
  const int on = 1, off = 0;
  if (address.family() != AF_UNIX) {
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on,
               sizeof on);  // no SO_REUSEPORT: see open()
  }
  if (address.family() == AF_INET6) {
    const bool both = is_wildcard(*address.get());
    setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, both ? &off : &on, sizeof on);
  }
  if (bind(descriptor, address.get(), address.size) == 0 && listen(descriptor, kBacklog) == 0) {
    return descriptor;
  }
  const int error = errno;
  close(descriptor);
  errno = error;
  return -1;
}

const char* path_of(const SocketAddress& address) {
  if (address.family() != AF_UNIX) return nullptr;
  const char* const path = reinterpret_cast<const sockaddr_un*>(&address.storage)->sun_path;
  return *path == 0 ? nullptr : path;
}

}  // namespace

bool SocketAddress::is_local() const {
  if (family() == AF_UNIX) return true;
  if (family() == AF_INET) {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(storage);
    return ntohl(ipv4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  }
  const in6_addr& ipv6 = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&ipv6) ||
         (IN6_IS_ADDR_V4MAPPED(&ipv6) && ipv6.s6_addr[12] == IN_LOOPBACKNET);
}

Status resolve(const std::string& target, std::vector<SocketAddress>* addresses) {
  std::string_view text = target;
  const bool abstract = take_scheme(&text, "unix-abstract:");
  if (abstract || take_scheme(&text, "unix:")) {
    if (!abstract) take_scheme(&text, "//");
    SocketAddress address;
    if (!to_unix(text, abstract, &address)) {
      return cannot(target, "the path must be of 1 to " +
                                std::to_string(sizeof sockaddr_un{}.sun_path - 1) + " bytes");
    }
    addresses->push_back(address);
    return {};
  }
  if (take_scheme(&text, "dns:")) {
    take_scheme(&text, "///");
  } else if (!take_scheme(&text, "ipv4:")) {
    take_scheme(&text, "ipv6:");
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return cannot(target, "must be host:port or unix:path");
  std::string host(text.substr(0, colon)), port(text.substr(colon + 1));
  if (host.size() > 1 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  const int failed = getaddrinfo(host.c_str(), port.c_str(), &wanted, &found);
  if (failed != 0) return cannot(target, gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family == AF_INET && is_wildcard(*at->ai_addr) && has_ipv6()) {
      addresses->push_back(every_address(*at->ai_addr));
      continue;
    }
    SocketAddress address;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
    addresses->push_back(address);
  }
  return {};
}

Status ListeningSocket::open(const std::string& target, const std::vector<SocketAddress>& addresses,
                             std::vector<ListeningSocket>* sockets) {
  in_port_t shared_port = 0;
  bool in_use = false;
  for (SocketAddress address : addresses) {
    in_port_t* const port = port_of(&address);
    if (port && *port == 0) *port = shared_port;
    if (const char* path = path_of(address)) unlink(path);  // a dead server's; see is_taken()
    const int descriptor = listen_at(address);
    if (descriptor == -1) {
      in_use = in_use || errno == EADDRINUSE;
      continue;
    }
    getsockname(descriptor, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
    if (port && shared_port == 0) shared_port = *port;
    sockets->push_back(ListeningSocket(descriptor, address));
  }
  // Half a name would leave its other half to the server that is there.
  if (in_use) sockets->clear();
  if (!sockets->empty()) return {};
  return cannot(target, "the port is in use, or the address is not one of this machine");
}

ListeningSocket::ListeningSocket(int descriptor, const SocketAddress& address)
    : descriptor_(descriptor), address_(address) {}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), address_(other.address_) {}

ListeningSocket::~ListeningSocket() {
  if (descriptor_ == -1) return;
  close(descriptor_);
  if (const char* path = path_of(address_)) unlink(path);
}

int ListeningSocket::port() const {
  SocketAddress address = address_;
  const in_port_t* const port = port_of(&address);
  return port ? ntohs(*port) : 1;
}

}  // namespace gerank::server
