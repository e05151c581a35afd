// grpc.reflection.v1 and grpc.reflection.v1alpha, which differ in their name alone.
#pragma once

#include <string>
#include <string_view>

#include "method.h"

namespace gerank::server {

// ServerReflection.ServerReflectionInfo: answers one question after the other.
class ReflectionMethod final : public Method {
 public:
  ReflectionMethod() : Method(Kind::kConversation) {}

  void take(Stream& stream, MessageBytes message) override;
  void end(Stream& stream) override;
};

}  // namespace gerank::server
