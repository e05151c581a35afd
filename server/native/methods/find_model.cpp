#include "find_model.h"

#include <string>

namespace gerank::server {

Status find_model(const Service& service, std::string_view model, std::string_view version,
                  std::shared_ptr<const Ranker>* ranker) {
  if (service.draining) return {Code::kUnavailable, "the server is draining"};
  *ranker = service.engine.find(model, version);
  if (*ranker) return {};
  if (service.engine.models().empty()) {
    return {Code::kUnavailable, "the model is still being loaded"};
  }
  return {Code::kNotFound, "no model '" + std::string(model) + "' of version '" +
                               std::string(version) + "' is served here"};
}

}  // namespace gerank::server
