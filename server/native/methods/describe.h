// gerank.v1.RerankService.Describe.
#pragma once

#include <string>
#include <string_view>

#include "../grpc/call_status.h"
#include "../routes/route_table.h"
#include "service.h"

namespace gerank::server {

// The contract of a served model, as a DescribeResponse. `routes` are those of the calling thread.
CallStatus describe(const Service& service, const RouteReader& routes, std::string_view message,
                    std::string_view request_id, std::string* answer);

}  // namespace gerank::server
