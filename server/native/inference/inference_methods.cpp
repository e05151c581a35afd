#include "inference_methods.h"

#include <string>
#include <utility>

#include "../methods/service_names.h"
#include "infer_request.h"
#include "model_facts.h"

namespace gerank::server::inference {
namespace {

CallStatus refuse_control() {
  return {kUnimplemented,
          "models are loaded and unloaded by whoever runs the server, and not through "
          "inference.GRPCInferenceService",
          {}};
}

}  // namespace

InferenceMethods::InferenceMethods(Service& service, Loop& loop)
    : infer_(service, loop, infer_requests()) {
  add_instant("ServerLive", [](auto, auto, auto* answer) { return server_live(answer); });
  add_instant("ServerReady",
              [&service](auto, auto, auto* answer) { return server_ready(service, answer); });
  add_instant("ModelReady", [&service](auto message, auto request_id, auto* answer) {
    return model_ready(service, message, request_id, answer);
  });
  add_instant("ServerMetadata", [](auto, auto, auto* answer) { return server_metadata(answer); });
  add_instant("ModelMetadata", [&service](auto message, auto request_id, auto* answer) {
    return model_metadata(service, message, request_id, answer);
  });
  add_instant("ModelConfig", [&service](auto message, auto request_id, auto* answer) {
    return model_config(service, message, request_id, answer);
  });
  add_instant("RepositoryIndex",
              [&service](auto, auto, auto* answer) { return repository_index(service, answer); });
  for (const auto* const name : {"RepositoryModelLoad", "RepositoryModelUnload"}) {
    add_instant(name, [](auto, auto, auto*) { return refuse_control(); });
  }
}

void InferenceMethods::add_instant(std::string_view name, InstantMethod::Answer answer) {
  instant_.emplace_back(name, std::move(answer));
}

void InferenceMethods::add_to(MethodTable& table) {
  const std::string service = "/" + std::string(kInferenceService) + "/";
  table.add(service + "ModelInfer", infer_);
  for (Instant& each : instant_) table.add(service + std::string(each.name), each.method);
}

}  // namespace gerank::server::inference
