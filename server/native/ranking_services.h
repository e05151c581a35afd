// The services that rank pages: gerank.v1.RerankService and inference.GRPCInferenceService.
#pragma once

#include "methods/served.h"

namespace gerank::server {

// Both over one engine, which their end stops. `exposures` may be null: then none are kept.
Served serve_ranking(Engine& engine, RouteTable& routes, exposures::ExposureLog* exposures);

}  // namespace gerank::server
