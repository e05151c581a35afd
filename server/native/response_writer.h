// From the engine's slates to the bytes of a RerankResponse.
#pragma once

#include <gerank/engine.h>
#include <grpcpp/grpcpp.h>

#include "gerank/server/wire.pb.h"

namespace gerank::server {

// The answer to `request`, which `call` ranked.
grpc::ByteBuffer write_response(const wire::RerankRequest& request, const Call& call);

}  // namespace gerank::server
