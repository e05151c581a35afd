// gerank.v1.AdminService as a front serves it.
#pragma once

#include "../methods/served.h"
#include "../models/load_thread.h"
#include "../models/model_catalog.h"

namespace gerank::server {

// Changes the models of an engine through `catalog`, and loads them on `loads`, whose waiting loads
// its end ends. All must outlive the front.
Served serve_admin(Engine& engine, RouteTable& routes, ModelCatalog& catalog, LoadThread& loads);

}  // namespace gerank::server
