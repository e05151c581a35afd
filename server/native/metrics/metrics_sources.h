// What the page /metrics tells of.
#pragma once

#include <gerank/engine.h>

#include "../front.h"
#include "../routes/route_table.h"
#include "exposures/exposure_log.h"
#include "model_loads.h"

namespace gerank::server {

// All of it outlives the page.
struct MetricsSources {
  const Engine& engine;
  const Front& front;
  const Front* admin;  // null: there is none
  const ModelLoads& loads;
  const RouteTable& routes;
  const exposures::ExposureLog* exposures;  // null: none is kept
};

}  // namespace gerank::server
