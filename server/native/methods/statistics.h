// gerank.v1.RerankService.Statistics.
#pragma once

#include <gerank/engine.h>

#include <string>

namespace gerank::server {

// The counters as a StatisticsResponse.
std::string write_statistics(const EngineStats& stats);

}  // namespace gerank::server
