// Messages that travel under gzip.
#pragma once

#include <cstddef>
#include <string_view>

#include "../http2/byte_budget.h"
#include "call_status.h"
#include "message_bytes.h"

namespace gerank::server {

// Inflates one gzip stream into `*message`. It says at its end how large it will be, and is never
// inflated beyond that.
//
//   RESOURCE_EXHAUSTED  more than `most` bytes, or more than `budget` has room for
//   INTERNAL            no gzip stream, or a damaged one
CallStatus inflate(std::string_view packed, std::size_t most, ConnectionBudget& budget,
                   MessageBytes* message);

// What a message above the limit gets.
CallStatus too_large(std::size_t size, std::size_t most);

// What a message gets that the server has no room for now.
CallStatus no_room();

}  // namespace gerank::server
