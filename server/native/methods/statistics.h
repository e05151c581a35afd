// gerank.v1.RerankService.Statistics.
#pragma once

#include <string>

#include "service.h"

namespace gerank::server {

// The counters as a StatisticsResponse.
std::string write_statistics(const Service& service);

}  // namespace gerank::server
