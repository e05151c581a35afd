#include "contract_difference.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gerank::server {
namespace {

constexpr std::size_t kLongestLine = 1200;

std::string shown(double number) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  return {text, error == std::errc() ? end : text};
}

std::string kind_of(const Feature& feature) {
  if (feature.dense) return "a number";
  if (feature.hashed) return "any id";
  return "an id in [0, " + std::to_string(feature.vocabulary - 1) + "]";
}

const Feature* find(const std::vector<Feature>& features, std::string_view name) {
  const auto found = std::find_if(features.begin(), features.end(),
                                  [&](const Feature& each) { return each.name == name; });
  return found == features.end() ? nullptr : &*found;
}

class Comparison {
 public:
  Comparison(const Contract& now, const Contract& next, UnknownFeatures unknown)
      : now_(now), next_(next), unknown_(unknown) {}

  std::vector<ContractDifference> run() {
    limit("candidates", "their number", now_.max_candidates, next_.max_candidates);
    limit("slots", "their number", now_.max_slots, next_.max_slots);
    side("user", now_.user, next_.user);
    side("candidates", now_.candidate, next_.candidate);
    side("above", now_.above, next_.above);
    names("spacing", "group key", now_.groups, next_.groups);
    names("quotas", "flag", now_.flags, next_.flags);
    weights();
    presets();
    return std::move(found_);
  }

 private:
  void add(std::string field, std::string rule) {
    found_.push_back({std::move(field), std::move(rule)});
  }

  void limit(const char* field, const char* what, std::int64_t now, std::int64_t next) {
    if (next >= now) return;
    add(field, std::string(what) + " may be " + std::to_string(now) + " now, and " +
                   std::to_string(next) + " then");
  }

  void side(const std::string& name, const std::vector<Feature>& now,
            const std::vector<Feature>& next) {
    for (const Feature& feature : now) {
      const Feature* const then = find(next, feature.name);
      if (then != nullptr) {
        values(name + "." + feature.name, feature, *then);
      } else if (unknown_ == UnknownFeatures::kRefuse) {
        add(name + "." + feature.name, "the feature is gone");
      }
    }
    for (const Feature& feature : next) {
      if (find(now, feature.name) != nullptr || feature.optional) continue;
      add(name + "." + feature.name, "the feature is new and has no default");
    }
  }

  void values(const std::string& field, const Feature& now, const Feature& next) {
    const bool takes_fewer = !now.dense && !next.dense && !next.hashed &&
                             (now.hashed || next.vocabulary < now.vocabulary);
    if (now.dense != next.dense || takes_fewer) {
      add(field, "is " + kind_of(now) + " now, and " + kind_of(next) + " then");
    }
    if (now.optional && !next.optional) add(field, "has a default now, and none then");
  }

  void names(const std::string& rule, const std::string& kind, const std::vector<std::string>& now,
             const std::vector<std::string>& next) {
    for (const std::string& name : now) {
      if (std::find(next.begin(), next.end(), name) != next.end()) continue;
      add(rule + "." + name, "is a " + kind + " now, and none then");
    }
  }

  void weights() {
    for (const WeightRange& now : now_.weights) {
      const auto& ranges = next_.weights;
      const auto then = std::find_if(ranges.begin(), ranges.end(), [&](const WeightRange& each) {
        return each.utility == now.utility;
      });
      const std::string field = "weights." + now.utility;
      if (then == ranges.end()) {
        add(field, "the utility is gone");
      } else if (then->minimum > now.minimum || then->maximum < now.maximum) {
        add(field, "its range is " + range_of(now) + " now, and " + range_of(*then) + " then");
      }
    }
  }

  static std::string range_of(const WeightRange& range) {
    return "[" + shown(range.minimum) + ", " + shown(range.maximum) + "]";
  }

  void presets() {
    for (const Preset& now : now_.presets) {
      const auto& all = next_.presets;
      const bool stays = std::any_of(all.begin(), all.end(),
                                     [&](const Preset& each) { return each.name == now.name; });
      if (!stays) add("preset." + now.name, "the preset is gone");
    }
  }

  const Contract& now_;
  const Contract& next_;
  const UnknownFeatures unknown_;
  std::vector<ContractDifference> found_;
};

}  // namespace

std::vector<ContractDifference> contract_differences(const Contract& now, const Contract& next,
                                                     UnknownFeatures unknown) {
  return Comparison(now, next, unknown).run();
}

std::string line_of(const std::vector<ContractDifference>& differences) {
  std::string line;
  for (std::size_t i = 0; i < differences.size(); ++i) {
    const std::string next = differences[i].field + ": " + differences[i].rule;
    if (line.size() + next.size() > kLongestLine) {
      return line + "; and " + std::to_string(differences.size() - i) +
             " more, which a dry run tells";
    }
    line += (line.empty() ? "" : "; ") + next;
  }
  return line;
}

}  // namespace gerank::server
