// The page /metrics.
#pragma once

#include <string>

#include "exposition.h"
#include "metrics_sources.h"

namespace gerank::server {

// Every metric of a server, as it is now. Costs the engine one look under its lock.
std::string metrics_page(MetricsFormat format, const MetricsSources& sources);

}  // namespace gerank::server
