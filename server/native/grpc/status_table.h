// Which outcome of the engine becomes which status of gRPC: one table for every method.
#pragma once

#include <gerank/status.h>

#include <string_view>
#include <vector>

#include "call_status.h"

namespace gerank::server {

// The status that a remote caller sees.
//
//   kInvalidArgument    with google.rpc.BadRequest: the field, and the message as its description
//   kResourceExhausted  with google.rpc.RetryInfo
//   kInternal           its request id; the text stays here, in the log, under that id
//   any other           its code and its message
//
// Thread-safe.
CallStatus to_call_status(const Status& status, std::string_view request_id);

// The same of a status that is kResourceExhausted.
CallStatus exhausted(const Status& status);

// One thing that must change before a call can do what it asks for.
struct Violation {
  std::string_view subject, description;
};

// kFailedPrecondition with google.rpc.PreconditionFailure: violations of one type.
CallStatus precondition_failed(const Status& status, std::string_view type,
                               const std::vector<Violation>& violations);

}  // namespace gerank::server
