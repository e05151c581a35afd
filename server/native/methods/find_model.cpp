#include "find_model.h"

#include <cstddef>
#include <string>
#include <vector>

namespace gerank::server {
namespace {

constexpr std::size_t kShownWanted = 80, kShownKnown = 200;  // characters, as the engine has them

std::string cut(const std::string& text, std::size_t limit) {
  return text.size() <= limit ? text : text.substr(0, limit - 3) + "...";
}

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

// In the words in which the engine refuses a query.
Status not_found(const std::string& what, std::string_view wanted,
                 const std::vector<std::string>& known) {
  std::string list;
  for (const std::string& each : known) list += (list.empty() ? "" : ", ") + quoted(each);
  return {Code::kNotFound, "no " + what + " " + cut(quoted(wanted), kShownWanted) +
                               " is published; there are " + cut("[" + list + "]", kShownKnown)};
}

}  // namespace

Status find_model(const Service& service, std::string_view model, std::string_view version,
                  std::shared_ptr<const Ranker>* ranker) {
  if (service.draining) return {Code::kUnavailable, "the server is draining"};
  *ranker = service.engine.find(model, version);
  if (*ranker) return {};
  const std::vector<PublishedModel> models = service.engine.models();
  if (models.empty()) return {Code::kUnavailable, "the model is still being loaded"};
  std::string name(model);
  std::vector<std::string> names, versions;
  for (const PublishedModel& each : models) {
    if (model.empty() && each.is_default) name = each.name;
    if (names.empty() || names.back() != each.name) names.push_back(each.name);
  }
  for (const PublishedModel& each : models) {
    if (each.name == name) versions.push_back(each.version);
  }
  return versions.empty() ? not_found("model", model, names)
                          : not_found("version of model '" + name + "'", version, versions);
}

}  // namespace gerank::server
