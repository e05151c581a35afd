// grpc.reflection.v1 and grpc.reflection.v1alpha, which differ in their name alone.
#pragma once

#include <string>
#include <string_view>

#include "method.h"
#include "service.h"

namespace gerank::server {

// ServerReflection.ServerReflectionInfo: answers one question after the other.
class ReflectionMethod final : public Method {
 public:
  explicit ReflectionMethod(const Service& service)
      : Method(Kind::kConversation), service_(service) {}

  void take(Stream& stream, MessageBytes message) override;
  void end(Stream& stream) override;

 private:
  const Service& service_;
};

}  // namespace gerank::server
