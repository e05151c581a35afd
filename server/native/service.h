// What the calls of one front share.
#pragma once

#include <gerank/engine.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <cstdint>

#include "gerank/v1/rerank.grpc.pb.h"

namespace gerank::server {

// The service with bytes in and out: messages are parsed by the calls, so that garbage gets a
// status of ours.
using RawService =
    v1::RerankService::WithRawMethod_Rerank<v1::RerankService::WithRawMethod_Describe<
        v1::RerankService::WithRawMethod_Statistics<v1::RerankService::Service>>>;

struct Service {
  explicit Service(Engine& of) : engine(of) {}

  Engine& engine;
  RawService methods;
  std::atomic<bool> draining{false};

  // Calls that have arrived and were not yet answered, and those that ever arrived.
  std::atomic<std::int64_t> open{0};
  std::atomic<std::uint64_t> arrived{0};
};

// The message as the one slice of a new buffer.
grpc::ByteBuffer to_bytes(const google::protobuf::MessageLite& message);

}  // namespace gerank::server
