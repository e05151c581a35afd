// The services that a front serves.
#pragma once

#include <string>
#include <string_view>

namespace gerank::server {

inline constexpr std::string_view kRerankService = "gerank.v1.RerankService";
inline constexpr std::string_view kInferenceService = "inference.GRPCInferenceService";
inline constexpr std::string_view kAdminService = "gerank.v1.AdminService";
inline constexpr std::string_view kHealthService = "grpc.health.v1.Health";
inline constexpr std::string_view kReflectionV1 = "grpc.reflection.v1.ServerReflection";
inline constexpr std::string_view kReflectionV1Alpha = "grpc.reflection.v1alpha.ServerReflection";

// A method's path, as HTTP/2 has it.
inline std::string path_of(std::string_view service, std::string_view method) {
  return "/" + std::string(service) + "/" + std::string(method);
}

}  // namespace gerank::server
