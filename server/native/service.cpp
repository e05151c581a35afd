#include "service.h"

#include <grpcpp/support/slice.h>

#include <cstddef>

namespace gerank::server {

grpc::ByteBuffer to_bytes(const google::protobuf::MessageLite& message) {
  const std::size_t size = message.ByteSizeLong();
  grpc::Slice slice(size);
  message.SerializeWithCachedSizesToArray(const_cast<std::uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace gerank::server
