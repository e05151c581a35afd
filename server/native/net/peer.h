// The name of who is at the other end of a connection.
#pragma once

#include <string>

namespace gerank::server {

// The peer of a connected socket: `127.0.0.1:4711`, `[::1]:4711`, `a local client` where the socket
// has no port, or `a client that has gone` where the peer has reset the connection already.
std::string peer_of(int descriptor);

}  // namespace gerank::server
