// From a RerankRequest message to the engine's queries, without copying a number or a name.
#pragma once

#include <gerank/query.h>
#include <gerank/status.h>
#include <google/protobuf/arena.h>

#include <span>

#include "block_reader.h"
#include "gerank/server/wire.pb.h"

namespace gerank::server {

// Reads what a request says. How it says it is checked here, with the texts of gerank/wire: exactly
// one field of values per block, whole numbers in its bytes, a known mode. What it says is
// checked by the engine.
//
//   message  what the queries are views of: changed by nobody while they are used
//   arena    holds the views: they live until it is reset
//   blocks   reads the blocks of the call
//   queries  [number of queries] filled if the status is OK
Status read_queries(const wire::RerankRequest& message, google::protobuf::Arena& arena,
                    BlockReader& blocks, std::span<const Query>* queries);

}  // namespace gerank::server
