#include "preset.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "check.h"
#include "check_number.h"
#include "python_text.h"

namespace gerank {
namespace {

std::size_t index_of(const std::vector<std::string>& names, std::string_view name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

// A preset as a query that says nothing else. Its texts are those of the document.
class PresetQuery {
 public:
  Status read(const Json& preset) {
    Status status = expect(preset, "preset", Json::Type::kObject);
    for (const auto& [key, value] : preset.members) {
      if (!status) return status;
      status = member(key, value);
    }
    query_.weights = weights_;
    query_.spacing = spacing_;
    query_.quotas = quotas_;
    return status;
  }

  const Query& query() const { return query_; }

 private:
  static Status wrong(std::string_view field, const Json& value, std::string_view rule) {
    return Status::invalid(field, repr(value), rule);
  }

  static Status expect(const Json& value, std::string_view field, Json::Type type) {
    return value.type == type ? Status() : wrong(field, value, "has another type");
  }

  Status member(const std::string& key, const Json& value) {
    if (key == "weights") return read_weights(value);
    if (key == "spacing") return read_spacing(value);
    if (key == "quotas") return read_quotas(value);
    if (key == "slots") {
      query_.slots = value.integer;
      return expect(value, key, Json::Type::kInteger);
    }
    if (key == "temperature") {
      query_.temperature = value.real;
      return value.is_number() ? Status() : wrong(key, value, "must be a number");
    }
    if (key != "mode") return wrong(key, value, "is no key of a preset");
    query_.greedy = value.text == "greedy";
    return value.text == "greedy" || value.text == "sample"
               ? Status()
               : wrong(key, value, "must be one of ['greedy', 'sample']");
  }

  Status read_weights(const Json& value) {
    for (const auto& [utility, weight] : value.members) {
      if (!weight.is_number()) return wrong("weights." + utility, weight, "must be a number");
      weights_.push_back({utility, weight.real});
    }
    return expect(value, "weights", Json::Type::kObject);
  }

  // An integer of a rule; what is missing keeps its value where that is allowed.
  static Status read_integer(const Json& rule, const std::string& key, bool required,
                             std::int64_t* value) {
    const Json* found = rule.find(key);
    if (found == nullptr) return required ? wrong(key, rule, "the key is missing") : Status();
    *value = found->integer;
    return expect(*found, key, Json::Type::kInteger);
  }

  static Status read_name(const Json& rule, const std::string& key, std::string_view* name) {
    const Json* found = rule.find(key);
    if (found == nullptr) return wrong(key, rule, "the key is missing");
    *name = found->text;
    return expect(*found, key, Json::Type::kString);
  }

  Status read_spacing(const Json& value) {
    for (const Json& entry : value.items) {
      Spacing& rule = spacing_.emplace_back();
      Status status = read_name(entry, "group", &rule.group);
      if (status) status = read_integer(entry, "window", true, &rule.window);
      if (status) status = read_integer(entry, "cap", true, &rule.cap);
      if (!status) return status.within(item("spacing", spacing_.size() - 1));
    }
    return expect(value, "spacing", Json::Type::kArray);
  }

  Status read_quotas(const Json& value) {
    for (const Json& entry : value.items) {
      Quota& rule = quotas_.emplace_back();
      Status status = read_name(entry, "flag", &rule.flag);
      if (status) status = read_integer(entry, "min", false, &rule.min);
      const Json* most = entry.find("max");
      if (status && most != nullptr && most->type != Json::Type::kNull) {
        status = read_integer(entry, "max", true, &rule.max.emplace());
      }
      if (!status) return status.within(item("quotas", quotas_.size() - 1));
    }
    return expect(value, "quotas", Json::Type::kArray);
  }

  std::vector<Weight> weights_;
  std::vector<Spacing> spacing_;
  std::vector<Quota> quotas_;
  Query query_;
};

Preset preset_of_query(const Contract& contract, std::string name, const Query& query) {
  Preset preset = contract.standard;
  preset.name = std::move(name);
  write_rules(contract, query,
              {preset.weights.data(), preset.spacing.data(), preset.quotas.data()});
  preset.slots = query.slots.value_or(preset.slots);
  preset.greedy = query.greedy.value_or(preset.greedy);
  preset.temperature = query.temperature.value_or(preset.temperature);
  return preset;
}

}  // namespace

void write_rules(const Contract& contract, const Query& query, const RuleRows& rows) {
  for (const Weight& weight : query.weights) {
    for (std::size_t u = 0; u < contract.weights.size(); ++u) {
      if (weight.utility == contract.weights[u].utility) {
        rows.weights[u] = static_cast<float>(weight.value);
      }
    }
  }
  for (const Spacing& rule : query.spacing) {
    std::int64_t* row = rows.spacing + 2 * index_of(contract.groups, rule.group);
    row[0] = rule.window;
    row[1] = rule.cap;
  }
  for (const Quota& rule : query.quotas) {
    std::int64_t* row = rows.quotas + 2 * index_of(contract.flags, rule.flag);
    row[0] = rule.min;
    row[1] = rule.max.value_or(-1);
  }
}

Preset standard_preset(const Contract& contract) {
  Preset preset;
  for (const WeightRange& weight : contract.weights) {
    preset.weights.push_back(static_cast<float>(weight.standard));
  }
  preset.spacing.assign(2 * contract.groups.size(), 0);
  for (std::size_t q = 0; q < contract.flags.size(); ++q) {
    preset.quotas.insert(preset.quotas.end(), {0, -1});
  }
  preset.slots = contract.max_slots;
  return preset;
}

Status read_presets(const Json& presets, Contract* contract) {
  if (presets.type != Json::Type::kObject) {
    return Status::invalid("presets", repr(presets), "must be an object");
  }
  for (const auto& [name, document] : presets.members) {
    PresetQuery preset;
    Status status = name.empty() ? Status::invalid("name", "''", "must not be empty") : Status();
    if (status) status = preset.read(document);
    if (status) status = check_rules(*contract, preset.query());
    if (!status) return status.within("presets." + name);
    contract->presets.push_back(preset_of_query(*contract, name, preset.query()));
  }
  return {};
}

}  // namespace gerank
