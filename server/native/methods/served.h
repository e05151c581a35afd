// What a front is started for: the methods that it serves, and the end of their work.
#pragma once

#include <gerank/clock.h>
#include <gerank/engine.h>

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "../net/loop.h"
#include "method_table.h"
#include "service.h"

namespace gerank::server {

// The methods of a front's services, for one of its threads.
class ServiceMethods {
 public:
  virtual ~ServiceMethods() = default;

  // Adds each by its path. The table must not outlive them.
  virtual void add_to(MethodTable& table) = 0;
};

// Everything that a front serves beside health and reflection. What it refers to must outlive the
// front.
struct Served {
  Engine& engine;
  RouteTable& routes;
  exposures::ExposureLog* exposures;    // null: none is kept
  std::vector<std::string_view> names;  // of the gRPC services

  // Makes the methods of one thread.
  std::function<std::unique_ptr<ServiceMethods>(Service&, Loop&)> methods;

  // No calls come any more: ends those that were taken, after `grace` with UNAVAILABLE.
  std::function<void(Microseconds grace)> end;
};

}  // namespace gerank::server
