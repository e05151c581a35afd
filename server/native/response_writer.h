// From the engine's slates to a RerankResponse message.
#pragma once

#include <gerank/query.h>

#include <string>

#include "gerank/server/wire.pb.h"
#include "gerank/v1/rerank.pb.h"

namespace gerank::server {

// Adds to `response` the slate that answers `query`.
void write_slate(const wire::Query& query, const Slate& slate, const std::string& model_version,
                 v1::RerankResponse* response);

}  // namespace gerank::server
