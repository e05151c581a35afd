#include "refusal_log.h"

#include <string>

#include "../log/log.h"

namespace gerank::server {

void tell_of_refusal(std::string_view peer, std::string_view reason) {
  Log::of_process().tell(LogLevel::kWarning, "connection_refused",
                         "connection of " + std::string(peer) + " refused: " + std::string(reason),
                         {{"peer", peer}, {"reason", reason}});
}

}  // namespace gerank::server
