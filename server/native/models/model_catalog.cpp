#include "model_catalog.h"

#include <gerank/ranker.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "../log/log.h"

namespace gerank::server {
namespace {

std::int64_t now_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

Status refuse(std::string message) { return {Code::kFailedPrecondition, std::move(message)}; }

}  // namespace

LoadOutcome ModelCatalog::load(const LoadOrder& order) {
  LoadOutcome outcome;
  outcome.name = named(order.name);
  outcome.status = check_name("name", outcome.name);
  if (!outcome.status) return outcome;
  const std::lock_guard one_at_a_time(loading_);
  const auto began = std::chrono::steady_clock::now();
  load_under_lock(order, &outcome);
  if (order.dry_run) return outcome;
  parts_.loads.add(outcome.name, outcome.status.ok(), std::chrono::steady_clock::now() - began);
  const std::lock_guard lock(mutex_);
  exchanged_ = {};
  if (outcome.status) {
    refused_.erase(outcome.name);
  } else {
    refused_[outcome.name] = {outcome.name, order.path, outcome.status.message(), now_us()};
  }
  return outcome;
}

void ModelCatalog::load_under_lock(const LoadOrder& order, LoadOutcome* outcome) {
  std::shared_ptr<const Ranker> ranker;
  const FileStamp stamp = stamp_of(order.path);  // first: a file that changes meanwhile is another
  outcome->status = Ranker::load(order.path, &ranker, parts_.engine.options().model);
  if (!outcome->status) return;
  outcome->version = ranker->model_version();
  outcome->implementation = ranker->implementation();
  outcome->precision = ranker->precision();
  if (const auto now = parts_.engine.find(outcome->name)) {
    outcome->previous_version = now->model_version();
    outcome->differences = contract_differences(now->contract(), ranker->contract(),
                                                parts_.engine.options().unknown_features);
  }
  outcome->status = check_exchange(order, stamp, *outcome);
  if (!outcome->status || order.dry_run) return;
  if (!outcome->differences.empty() && !order.allow_breaking_contract) {
    outcome->status =
        refuse("'" + outcome->version + "' would refuse calls that '" + outcome->previous_version +
               "' of '" + outcome->name + "' takes: " + line_of(outcome->differences));
    return;
  }
  outcome->status = publish(order, stamp, std::move(ranker), outcome);
}

// Calls and records tell artifacts apart by their version, so one that is relied on must not become
// another one under the same version.
Status ModelCatalog::check_exchange(const LoadOrder& order, const FileStamp& stamp,
                                    const LoadOutcome& outcome) {
  const std::string &name = outcome.name, &version = outcome.version;
  const std::lock_guard lock(mutex_);
  const auto source = sources_.find({name, version});
  if (source == sources_.end() || source->second.stamp == stamp) return {};
  const std::string which = "'" + version + "' of '" + name + "' is published already, from " +
                            source->second.path + ", and ";
  const std::string but = ": " + order.path + " must have another version, or ";
  if (is_in_split(name, version)) {
    return refuse(which + "is in the split" + but + "another split must be set first");
  }
  if (version != outcome.previous_version) {
    return refuse(which + "is kept beside the current version" + but + "it must be retired first");
  }
  if (order.keep_old) {
    return refuse(which + "cannot be kept beside a file of the same version" + but +
                  "take its place");
  }
  if (!order.dry_run) exchanged_ = {name, version};
  return {};
}

Status ModelCatalog::publish(const LoadOrder& order, const FileStamp& stamp,
                             std::shared_ptr<const Ranker> ranker, LoadOutcome* outcome) {
  const std::string &name = outcome->name, &previous = outcome->previous_version;
  if (order.keep_current && (previous.empty() || previous == outcome->version)) {
    return refuse(previous.empty()
                      ? "'" + name + "' has no current version to keep"
                      : "'" + previous + "' of '" + name + "' is current already: its artifact " +
                            "cannot be exchanged beside it");
  }
  const bool was_published = parts_.engine.find(name, outcome->version) != nullptr;
  if (order.keep_current) {  // the engine makes current what it publishes, for a moment
    const std::lock_guard lock(mutex_);
    held_[name] = previous;
    update_route(name);
  }
  if (parts_.exposures != nullptr) {
    parts_.exposures->describe(ranker->model_version(), ranker->contract_json());
  }
  // The version before stays until the lock is held, since a split may come to name it.
  Status status = parts_.engine.publish(name, std::move(ranker), true);
  const std::lock_guard lock(mutex_);
  if (status) {
    sources_[{name, outcome->version}] = {order.path, stamp, now_us()};
    settle(order, was_published, outcome);
  }
  if (held_.erase(name) > 0) update_route(name);
  if (!status) return status;
  tell(order, *outcome);
  parts_.loaded();
  return {};
}

// What becomes of the version that was current when the load began.
void ModelCatalog::settle(const LoadOrder& order, bool was_published, LoadOutcome* outcome) {
  const std::string &name = outcome->name, &previous = outcome->previous_version;
  outcome->current = !order.keep_current;
  if (order.keep_current) parts_.engine.make_current(name, held_[name]);
  const bool stays = order.keep_current || order.keep_old || was_published || previous.empty() ||
                     previous == outcome->version || is_in_split(name, previous);
  outcome->previous_published = stays && !previous.empty() && previous != outcome->version;
  if (stays) return;
  parts_.engine.retire(name, previous);
  sources_.erase({name, previous});
}

void ModelCatalog::tell(const LoadOrder& order, const LoadOutcome& outcome) {
  if (outcome.differences.empty()) return;
  const std::string line = line_of(outcome.differences);
  Log::of_process().tell(
      LogLevel::kWarning, "contract_changed",
      "'" + outcome.version + "' of '" + outcome.name + "' refuses calls that '" +
          outcome.previous_version + "' takes: " + line,
      {{"model", outcome.name}, {"version", outcome.version}, {"path", order.path}});
}

Status ModelCatalog::make_current(const std::string& asked, const std::string& version,
                                  LoadOutcome* outcome) {
  const std::lock_guard lock(mutex_);
  const std::string name = named(asked);
  const std::vector<std::string> versions = versions_of(name);
  if (versions.empty()) return no_version(name, version);
  if (version.empty() && versions.size() < 2) {
    return refuse("no version of '" + name + "' but '" + versions.back() + "' is published");
  }
  outcome->name = name;
  const auto held = held_.find(name);
  outcome->previous_version = held == held_.end() ? versions.back() : held->second;
  outcome->version = version.empty() ? versions[versions.size() - 2] : version;
  const auto before = parts_.engine.find(name, outcome->previous_version);
  if (Status status = parts_.engine.make_current(name, outcome->version); !status) return status;
  if (held != held_.end()) {
    held->second = outcome->version;
    update_route(name);
  }
  if (const auto now = parts_.engine.find(name, outcome->version); before && now) {
    outcome->differences = contract_differences(before->contract(), now->contract(),
                                                parts_.engine.options().unknown_features);
  }
  outcome->current = true;
  outcome->previous_published = outcome->previous_version != outcome->version;
  tell({}, *outcome);
  return {};
}

Status ModelCatalog::retire(const std::string& asked, const std::string& version) {
  const std::lock_guard lock(mutex_);
  const std::string name = named(asked);
  const std::vector<std::string> versions = versions_of(name);
  if (versions.empty()) return no_version(name, version);
  if (version.empty() && name == named("")) {
    return refuse("'" + name + "' answers calls that name no model, and stays");
  }
  if (version.empty() && splits_.contains(name)) {
    return refuse("'" + name + "' is split: set a split without arms first");
  }
  if (is_in_split(name, version)) {
    return refuse("'" + version + "' is in the split of '" + name + "': set another split first");
  }
  const auto held = held_.find(name);
  if (version == versions.back() || (held != held_.end() && held->second == version)) {
    return refuse("'" + version + "' is the current version of '" + name +
                  "': make another one current first, or retire the name");
  }
  if (Status status = parts_.engine.retire(name, version); !status) return status;
  std::erase_if(sources_, [&](const auto& source) {
    return source.first.first == name && (version.empty() || source.first.second == version);
  });
  return {};
}

Status ModelCatalog::set_split(const std::string& asked, const std::vector<ArmOrder>& arms) {
  if (Status status = check_arms(arms); !status) return status;
  const std::lock_guard lock(mutex_);
  const std::string name = named(asked);
  const std::vector<std::string> versions = versions_of(name);
  if (versions.empty()) return no_version(name, "");
  for (const ArmOrder& arm : arms) {
    if (std::find(versions.begin(), versions.end(), arm.version) == versions.end()) {
      return no_version(name, arm.version);
    }
    if (exchanged_ == std::pair(name, arm.version)) {
      return refuse("another file of '" + arm.version + "' of '" + name +
                    "' is being loaded: wait for its end");
    }
  }
  if (arms.empty()) {
    splits_.erase(name);
  } else {
    splits_[name] = arms;
  }
  update_route(name);
  return {};
}

std::vector<ListedModel> ModelCatalog::models() const {
  const std::lock_guard lock(mutex_);
  std::vector<ListedModel> all;
  for (PublishedModel& published : parts_.engine.models()) {
    ListedModel& listed = all.emplace_back();
    listed.published = std::move(published);
    const std::string &name = listed.published.name, &version = listed.published.version;
    if (const auto source = sources_.find({name, version}); source != sources_.end()) {
      listed.path = source->second.path;
      listed.loaded_us = source->second.loaded_us;
    }
    const auto split = splits_.find(name);
    if (split == splits_.end()) continue;
    std::copy_if(split->second.begin(), split->second.end(), std::back_inserter(listed.arms),
                 [&](const ArmOrder& arm) { return arm.version == version; });
  }
  return all;
}

std::vector<RefusedLoad> ModelCatalog::refused_loads() const {
  const std::lock_guard lock(mutex_);
  std::vector<RefusedLoad> all;
  for (const auto& [name, refused] : refused_) all.push_back(refused);
  return all;
}

std::string ModelCatalog::named(const std::string& name) const {
  if (!name.empty()) return name;
  for (const PublishedModel& model : parts_.engine.models()) {
    if (model.is_default) return model.name;
  }
  return {};
}

// In the order in which they were current, the current one last.
std::vector<std::string> ModelCatalog::versions_of(const std::string& name) const {
  std::vector<std::string> versions;
  for (const PublishedModel& model : parts_.engine.models()) {
    if (model.name == name) versions.push_back(model.version);
  }
  return versions;
}

// In the engine's words.
Status ModelCatalog::no_version(const std::string& name, const std::string& version) const {
  return parts_.engine.make_current(name, version);
}

bool ModelCatalog::is_in_split(const std::string& name, const std::string& version) const {
  const auto split = splits_.find(name);
  return split != splits_.end() &&
         std::any_of(split->second.begin(), split->second.end(),
                     [&](const ArmOrder& arm) { return arm.version == version; });
}

// A split goes before what holds the current version.
void ModelCatalog::update_route(const std::string& name) {
  std::vector<Arm> arms;
  if (const auto split = splits_.find(name); split != splits_.end()) {
    for (const ArmOrder& order : split->second) {
      arms.push_back({order.arm, order.version, std::uint32_t(order.weight),
                      parts_.routes.counts_of(name, order.arm, order.version)});
    }
  } else if (const auto held = held_.find(name); held != held_.end()) {
    arms.push_back({"", held->second, 1, nullptr});
  }
  parts_.routes.set(
      name, named(""),
      arms.empty() ? nullptr : std::make_shared<const ModelRoute>(name, std::move(arms)));
}

}  // namespace gerank::server
