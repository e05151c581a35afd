// The messages of gerank.v1.RerankService.Rerank.
#pragma once

#include "rank_request.h"

namespace gerank::server {

// Makes readers of RerankRequest messages that learn the names of features from each other. For one
// thread.
RankRequest::Maker rerank_requests();

}  // namespace gerank::server
