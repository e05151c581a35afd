// The page /metrics.
#pragma once

#include <gerank/engine.h>

#include <string>

#include "../front.h"
#include "exposition.h"
#include "model_loads.h"

namespace gerank::server {

// Every metric of a server, as it is now. Costs the engine one look under its lock.
std::string metrics_page(MetricsFormat format, const Engine& engine, const Front& front,
                         const ModelLoads& loads);

}  // namespace gerank::server
