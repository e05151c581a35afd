// gerank.v1.RerankService.Describe.
#pragma once

#include <string>
#include <string_view>

#include "../grpc/call_status.h"
#include "service.h"

namespace gerank::server {

// The contract of a served model, as a DescribeResponse.
CallStatus describe(const Service& service, std::string_view message, std::string_view request_id,
                    std::string* answer);

}  // namespace gerank::server
