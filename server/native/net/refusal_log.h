// The log of connections that were refused before they could say anything.
#pragma once

#include <string_view>

namespace gerank::server {

// Tells the log of one. `peer` as peer_of() has it. The log bounds the lines of a second, so that
// nobody can fill a disk from outside.
void tell_of_refusal(std::string_view peer, std::string_view reason);

}  // namespace gerank::server
