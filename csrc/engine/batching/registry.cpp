#include "registry.h"

#include <algorithm>
#include <utility>

#include "../contract/python_text.h"

namespace gerank {
namespace {

Status not_found(std::string_view what, std::string_view wanted,
                 const std::vector<std::string_view>& known) {
  return Status(Code::kNotFound, "no " + std::string(what) + " " + cut(repr(wanted), 80) +
                                     " is published; there are " + cut(repr(known), 200));
}

template <typename Versions>
auto find_version(Versions& versions, std::string_view version) {
  return std::find_if(versions.begin(), versions.end(),
                      [&](const auto& model_queue) { return model_queue->version == version; });
}

Status no_version(std::string_view name, const std::vector<std::shared_ptr<ModelQueue>>& versions,
                  std::string_view version) {
  std::vector<std::string_view> known;
  for (const auto& model_queue : versions) known.push_back(model_queue->version);
  return not_found("version of model " + repr(name), version, known);
}

template <typename Names>
Status no_name(const Names& names, std::string_view name) {
  std::vector<std::string_view> known;
  for (const auto& [each, versions] : names) known.push_back(each);
  return not_found("model", name, known);
}

}  // namespace

Status Registry::find(std::string_view name, std::string_view version,
                      std::shared_ptr<ModelQueue>* model_queue) const {
  if (names_.empty()) return Status(Code::kUnavailable, "no model is loaded yet");
  const auto named = names_.find(name.empty() ? std::string_view(default_) : name);
  if (named == names_.end()) return no_name(names_, name);
  const Versions& versions = named->second;
  if (version.empty()) {
    *model_queue = versions.back();
    return {};
  }
  const auto found = find_version(versions, version);
  if (found == versions.end()) return no_version(named->first, versions, version);
  *model_queue = *found;
  return {};
}

std::vector<std::shared_ptr<ModelQueue>> Registry::publish(std::shared_ptr<ModelQueue> model_queue,
                                                           bool keep_old) {
  if (!names_.contains(default_)) default_ = model_queue->name;
  Versions& versions = names_[model_queue->name];
  std::vector<std::shared_ptr<ModelQueue>> removed;
  if (const auto same = find_version(versions, model_queue->version); same != versions.end()) {
    removed.push_back(std::move(*same));
    versions.erase(same);
  }
  if (!keep_old && removed.empty() && !versions.empty()) {
    removed.push_back(std::move(versions.back()));
    versions.pop_back();
  }
  for (const auto& old : removed) old->published = false;
  model_queue->published = true;
  versions.push_back(std::move(model_queue));
  return removed;
}

Status Registry::make_current(std::string_view name, std::string_view version) {
  const auto named = names_.find(name.empty() ? std::string_view(default_) : name);
  if (named == names_.end()) return no_name(names_, name);
  Versions& versions = named->second;
  const auto found = find_version(versions, version);
  if (found == versions.end()) return no_version(named->first, versions, version);
  std::rotate(found, found + 1, versions.end());
  return {};
}

Status Registry::retire(std::string_view name, std::string_view version,
                        std::vector<std::shared_ptr<ModelQueue>>* removed) {
  const auto named = names_.find(name.empty() ? std::string_view(default_) : name);
  if (named == names_.end()) return no_name(names_, name);
  Versions& versions = named->second;
  if (version.empty()) {
    std::swap(*removed, versions);
  } else {
    const auto found = find_version(versions, version);
    if (found == versions.end()) return no_version(named->first, versions, version);
    removed->push_back(std::move(*found));
    versions.erase(found);
  }
  for (const auto& model_queue : *removed) model_queue->published = false;
  if (versions.empty()) names_.erase(named);
  return {};
}

std::vector<PublishedModel> Registry::list() const {
  std::vector<PublishedModel> all;
  for (const auto& [name, versions] : names_) {
    for (const auto& model_queue : versions) {
      all.push_back({name, model_queue->version, model_queue == versions.back(), name == default_,
                     model_queue->answered, model_queue->failed,
                     model_queue->ranker->implementation(), model_queue->ranker->precision(),
                     model_queue->ranker->device()});
    }
  }
  return all;
}

}  // namespace gerank
