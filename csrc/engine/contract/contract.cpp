#include <gerank/contract.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <numeric>
#include <set>

#include "../../decode/limits.h"
#include "json.h"
#include "preset.h"
#include "python_text.h"

namespace gerank {
namespace {

// Unwinds to Contract::parse, and no further.
struct Malformed {
  std::string what;
};

const Json& member(const Json& object, std::string_view key, Json::Type type) {
  const Json* found = object.find(key);
  if (found == nullptr) throw Malformed{"no " + repr(key)};
  if (found->type != type) throw Malformed{repr(key) + " is " + cut(repr(*found), 80)};
  return *found;
}

std::int64_t integer(const Json& object, std::string_view key, std::int64_t low,
                     std::int64_t high) {
  const std::int64_t value = member(object, key, Json::Type::kInteger).integer;
  if (value < low || value > high) {
    throw Malformed{repr(key) + " is " + repr(value) + ", not in [" + repr(low) + ", " +
                    repr(high) + "]"};
  }
  return value;
}

double number(const Json& object, std::string_view key) {
  const Json* found = object.find(key);
  if (found == nullptr || !found->is_number()) throw Malformed{"no number " + repr(key)};
  return found->real;
}

Feature read_feature(const Json& entry) {
  Feature feature;
  feature.name = member(entry, "name", Json::Type::kString).text;
  if (feature.name.empty()) throw Malformed{"a feature needs a name"};
  const std::string& kind = member(entry, "kind", Json::Type::kString).text;
  feature.dense = kind == "dense";
  feature.optional = entry.find("default") != nullptr;
  if (feature.dense) {
    if (feature.optional) feature.dense_default = static_cast<float>(number(entry, "default"));
    return feature;
  }
  if (kind != "id") throw Malformed{"a feature's kind is " + repr(std::string_view(kind))};
  feature.vocabulary = integer(entry, "vocabulary", 1, INT64_MAX);
  feature.hashed = member(entry, "hashed", Json::Type::kBool).truth;
  if (feature.optional) {
    const std::int64_t low = feature.hashed ? INT64_MIN : 0;
    const std::int64_t high = feature.hashed ? INT64_MAX : feature.vocabulary - 1;
    feature.id_default = integer(entry, "default", low, high);
  }
  return feature;
}

std::vector<Feature> read_side(const Json& features, std::string_view side, std::int32_t* dense,
                               std::int32_t* ids) {
  std::vector<Feature> read;
  std::set<std::string_view> names;
  for (const Json& entry : member(features, side, Json::Type::kArray).items) {
    read.push_back(read_feature(entry));
    read.back().column = read.back().dense ? (*dense)++ : (*ids)++;
    if (!names.insert(member(entry, "name", Json::Type::kString).text).second) {
      throw Malformed{"feature " + repr(std::string_view(read.back().name)) + " is defined twice"};
    }
  }
  return read;
}

std::vector<std::string> read_names(const Json& document, std::string_view key,
                                    const std::vector<Feature>& features) {
  std::vector<std::string> names;
  for (const Json& entry : member(document, key, Json::Type::kArray).items) {
    const auto known = std::find_if(features.begin(), features.end(), [&](const Feature& feature) {
      return feature.name == entry.text && !feature.dense;
    });
    const bool flag_like = known != features.end() && !known->hashed && known->vocabulary == 2;
    if (known == features.end() || (key == "flags" && !flag_like)) {
      throw Malformed{repr(key) + " name " + repr(entry)};
    }
    names.push_back(entry.text);
  }
  return names;
}

std::vector<WeightRange> read_weights(const Json& document) {
  std::vector<WeightRange> weights;
  for (const auto& [name, range] : member(document, "weights", Json::Type::kObject).members) {
    const WeightRange weight = {name, number(range, "min"), number(range, "max"),
                                number(range, "default")};
    if (!(weight.minimum <= weight.standard && weight.standard <= weight.maximum)) {
      throw Malformed{"weights." + name + " is " + cut(repr(range), 80) +
                      ": min, default and max must rise"};
    }
    weights.push_back(weight);
  }
  return weights;
}

std::vector<std::size_t> columns_of(const std::vector<std::string>& names,
                                    const std::vector<Feature>& features) {
  std::vector<std::size_t> columns;
  for (const std::string& name : names) {
    const auto found = std::find_if(features.begin(), features.end(),
                                    [&](const Feature& feature) { return feature.name == name; });
    columns.push_back(static_cast<std::size_t>(found->column));
  }
  return columns;
}

// The features that some of the names are of, in the order of the schema.
std::vector<Feature> features_named(const std::vector<Feature>& features,
                                    const std::vector<std::string>& groups,
                                    const std::vector<std::string>& flags) {
  std::vector<Feature> named;
  for (const Feature& feature : features) {
    const auto holds = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), feature.name) != names.end();
    };
    if (holds(groups) || holds(flags)) named.push_back(feature);
  }
  return named;
}

std::vector<std::uint32_t> by_name(const std::vector<Feature>& features) {
  std::vector<std::uint32_t> order(features.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return features[a].name < features[b].name; });
  return order;
}

Contract read_contract(const Json& document) {
  static std::atomic<std::uint64_t> last_id{0};
  Contract contract;
  contract.id = last_id.fetch_add(1, std::memory_order_relaxed) + 1;
  const Json& features = member(document, "features", Json::Type::kObject);
  contract.user = read_side(features, "user", &contract.user_dense, &contract.user_ids);
  contract.candidate =
      read_side(features, "candidate", &contract.candidate_dense, &contract.candidate_ids);
  contract.groups = read_names(document, "groups", contract.candidate);
  contract.flags = read_names(document, "flags", contract.candidate);
  contract.group_columns = columns_of(contract.groups, contract.candidate);
  contract.flag_columns = columns_of(contract.flags, contract.candidate);
  contract.above = features_named(contract.candidate, contract.groups, contract.flags);
  const Json& limits = member(document, "limits", Json::Type::kObject);
  contract.max_candidates = integer(limits, "candidates", 1, kMaxCandidates);
  contract.max_slots = integer(limits, "slots", 1, kMaxSlots);
  contract.weights = read_weights(document);
  contract.user_by_name = by_name(contract.user);
  contract.candidate_by_name = by_name(contract.candidate);
  contract.above_by_name = by_name(contract.above);
  contract.standard = standard_preset(contract);
  if (const Json* presets = document.find("presets")) {
    if (Status status = read_presets(*presets, &contract); !status)
      throw Malformed{status.message()};
  }
  return contract;
}

}  // namespace

const Preset& Contract::preset_of(const Query& query) const noexcept {
  const auto named = std::find_if(presets.begin(), presets.end(),
                                  [&](const Preset& each) { return each.name == query.preset; });
  return named == presets.end() ? standard : *named;
}

Status Contract::parse(std::string_view json, Contract* contract) noexcept try {
  Json document;
  if (Status status = Json::parse(json, &document); !status) return status;
  *contract = read_contract(document);
  return {};
} catch (const Malformed& error) {
  return Status(Code::kFailedPrecondition, error.what);
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

}  // namespace gerank
