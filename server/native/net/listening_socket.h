// The sockets at which a server listens.
#pragma once

#include <gerank/status.h>
#include <sys/socket.h>

#include <string>
#include <vector>

namespace gerank::server {

// An address of this machine as the kernel takes it, or a socket in a folder.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }

  // Whether only this machine can reach it: a loopback address, or a socket in a folder.
  bool is_local() const;
};

// Where `target`, as ListeningAddress has it, lies: `host:port`, `[IPv6]:port`, `unix:path`,
// `unix-abstract:name`, or the first two behind `dns:`, `ipv4:` or `ipv6:`. A name may lie at
// several addresses; the addresses that mean every one of this machine are taken for both families.
//
// kUnavailable, which names the target, where it lies nowhere.
Status resolve(const std::string& target, std::vector<SocketAddress>* addresses);

// A descriptor that listens. Closes it at its end, and removes the socket in a folder, if any.
class ListeningSocket {
 public:
  // Listens at all of these addresses, of which those that ask for port 0 get one port together.
  // Addresses of a family that this machine has not are left out where another remains.
  //
  // kUnavailable, which names the target.
  static Status open(const std::string& target, const std::vector<SocketAddress>& addresses,
                     std::vector<ListeningSocket>* sockets);

  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  int descriptor() const { return descriptor_; }

  // The port; 1 for a socket in a folder, as gRPC has it.
  int port() const;

  // Where it listens, with the port that it got.
  const SocketAddress& address() const { return address_; }

 private:
  ListeningSocket(int descriptor, const SocketAddress& address);

  int descriptor_;  // -1: moved away
  SocketAddress address_;
};

}  // namespace gerank::server
