// What GRPCInferenceService tells of the server and its models: every method but ModelInfer.
#pragma once

#include <string>
#include <string_view>

#include "../grpc/call_status.h"
#include "../methods/service.h"

namespace gerank::server::inference {

// Each answers one message of its method, of the call with that id.

CallStatus server_live(std::string* answer);
CallStatus server_ready(const Service& service, std::string* answer);
CallStatus model_ready(const Service& service, std::string_view message,
                       std::string_view request_id, std::string* answer);
CallStatus server_metadata(std::string* answer);
CallStatus model_metadata(const Service& service, std::string_view message,
                          std::string_view request_id, std::string* answer);
CallStatus model_config(const Service& service, std::string_view message,
                        std::string_view request_id, std::string* answer);
CallStatus repository_index(const Service& service, std::string* answer);

}  // namespace gerank::server::inference
