// Where gerank-server listens, as people write it: the reading of gerank/address.py.
#pragma once

#include <string>
#include <string_view>

namespace gerank::server {

struct ListeningAddress {
  std::string target;  // as gRPC takes it
  std::string host;    // without brackets; empty where `target` has a scheme of gRPC's

  // How people write it once the port is known, where 0 had asked for any.
  std::string with_port(int port) const;
};

// Throws std::invalid_argument, which names the address and the rule.
ListeningAddress parse_listening_address(std::string_view text);

// Whether somebody listens at this target, which is a socket in a folder. gRPC would take its
// place.
bool is_taken(const std::string& target);

}  // namespace gerank::server
