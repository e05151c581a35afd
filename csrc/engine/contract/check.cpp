// Whether one artifact can answer one query: the only place where that is decided.

#include "check.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <optional>
#include <string>

#include "../../decode/limits.h"
#include "check_features.h"
#include "check_number.h"
#include "duplicates.h"
#include "python_text.h"
#include "resolved_features.h"
#include "unknown_name.h"

namespace gerank {
namespace {

constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();
// Beyond this range float32 logits are no longer told apart, or overflow.
constexpr double kLowestTemperature = 1e-3, kHighestTemperature = 1e3;

class QueryCheck {
 public:
  QueryCheck(const Contract& contract, const Query& query,
             UnknownFeatures unknown = UnknownFeatures::kRefuse)
      : contract_(contract),
        query_(query),
        unknown_(unknown),
        count_(static_cast<std::size_t>(std::max<std::int64_t>(query.candidate_count, 0))) {}

  // How many features were passed over.
  std::size_t ignored() const { return ignored_; }

  Status run() {
    Status status;
    for (const auto part :
         {&QueryCheck::count, &QueryCheck::ids, &QueryCheck::dedup_keys, &QueryCheck::features,
          &QueryCheck::preset, &QueryCheck::slots, &QueryCheck::above, &QueryCheck::pins}) {
      status = (this->*part)();
      if (!status) return status;
    }
    return rules();
  }

  // What a preset can say too.
  Status rules() {
    Status status;
    for (const auto part : {&QueryCheck::slots, &QueryCheck::spacing, &QueryCheck::quotas,
                            &QueryCheck::weights, &QueryCheck::temperature}) {
      status = (this->*part)();
      if (!status) break;
    }
    return status;
  }

 private:
  Status count() {
    return check_integer([] { return "candidates"; }, query_.candidate_count, 1,
                         contract_.max_candidates, "their number ");
  }

  Status ids() {
    const auto ids = query_.candidate_ids;
    if (ids.empty()) return {};
    if (ids.size() != count_) {
      return Status::invalid("candidate_ids",
                             repr(std::string_view(std::to_string(ids.size()) + " ids")),
                             "must be " + std::to_string(count_) + " ids, or none");
    }
    const auto twice = first_duplicate(ids.size(), [&](std::size_t i) { return ids[i]; });
    if (!twice) return {};
    return Status::invalid(item("candidates", twice->second) + ".id", repr(ids[twice->second]),
                           "is the id of " + item("candidates", twice->first) + " too");
  }

  Status dedup_keys() { return check_keys("dedup_keys", query_.dedup_keys, count_, "candidate"); }

  Status check_keys(const std::string& field, const std::optional<DedupKeys>& keys,
                    std::size_t count, const char* owner) {
    if (!keys) return {};
    if (keys->bytes % 8 != 0) {
      return Status::invalid(field + ".int64_le",
                             repr(std::string_view(std::to_string(keys->bytes) + " bytes")),
                             "must be whole numbers of 8 bytes each");
    }
    Status status = check_length(field, keys->bytes / 8, count, owner);
    if (!status || keys->present.empty()) return status;
    return check_length(field + ".present", keys->present.size(), count, owner);
  }

  static Status check_length(const std::string& field, std::size_t length, std::size_t count,
                             const char* owner) {
    if (length == count) return {};
    return Status::invalid(field, repr(std::string_view(std::to_string(length) + " values")),
                           "must have " + std::to_string(count) + " values, one per " + owner);
  }

  Status features() {
    thread_local ResolvedFeatures user, candidates;
    Status status = check_side(user_side(contract_, query_, unknown_), &user);
    if (!status) return status;
    status = check_side(candidate_side(contract_, query_, unknown_), &candidates);
    ignored_ = user.ignored() + candidates.ignored();
    return status;
  }

  Status preset() {
    if (query_.preset.empty() || contract_.preset_of(query_).name == query_.preset) return {};
    std::vector<std::string_view> known;
    for (const Preset& each : contract_.presets) known.push_back(each.name);
    return unknown_name("preset", repr(query_.preset), "preset", query_.preset, std::move(known));
  }

  Status slots() {
    slots_ = query_.slots.value_or(contract_.preset_of(query_).slots);
    return check_integer([] { return "slots"; }, slots_, 1, contract_.max_slots);
  }

  // The slots above take part as placed candidates of the same batch, and so within its sizes.
  Status above() {
    const Above& above = query_.above;
    const std::int64_t most = std::min(kMaxCandidates - query_.candidate_count, kMaxSlots - slots_);
    Status status = check_integer([] { return "above"; }, above.count, 0, most, "their number ");
    if (!status || (above.count == 0 && above.features.empty() && !above.dedup_keys)) return status;
    thread_local ResolvedFeatures resolved;
    status = check_side(above_side(contract_, query_, unknown_), &resolved);
    if (!status) return status;
    ignored_ += resolved.ignored();
    return check_keys("above.dedup_keys", above.dedup_keys, static_cast<std::size_t>(above.count),
                      "slot above");
  }

  Status pins() {
    for (std::size_t i = 0; i < query_.pins.size(); ++i) {
      if (Status status = pin(i); !status) return status;
    }
    return {};
  }

  // At most kMaxSlots pins pass, so that a comparison of each with all before it stays cheap.
  Status pin(std::size_t index) {
    const Pin& pin = query_.pins[index];
    const auto field = [&] { return "pins." + repr(pin.slot); };
    Status status = check_integer(field, pin.slot, 0, slots_ - 1, "the slot ");
    if (!status) return status;
    status = check_integer(field, pin.candidate, 0, query_.candidate_count - 1, "the candidate ");
    if (!status) return status;
    const auto before = query_.pins.first(index);
    const auto refuse = [&](std::string_view rule) {
      return Status::invalid(field(), shown(pin.candidate), rule);
    };
    for (const Pin& other : before) {
      if (other.slot == pin.slot) return refuse("another pin has this slot already");
    }
    for (const Pin& other : before) {
      if (other.candidate == pin.candidate) {
        return refuse("slot " + repr(other.slot) + " pins this candidate too");
      }
    }
    for (const Pin& other : before) {
      if (same_key(other.candidate, pin.candidate)) {
        return refuse("slot " + repr(other.slot) + " pins a candidate of the same dedup key");
      }
    }
    if (was_shown_above(pin.candidate)) return refuse("its dedup key was shown above the page");
    return {};
  }

  std::string shown(std::int64_t candidate) const {
    return query_.candidate_ids.empty()
               ? repr(candidate)
               : repr(query_.candidate_ids[static_cast<std::size_t>(candidate)]);
  }

  // The dedup key of a candidate or of a slot above; nothing where it has none.
  static std::optional<std::int64_t> key_of(const std::optional<DedupKeys>& keys,
                                            std::int64_t index) {
    const auto i = static_cast<std::size_t>(index);
    if (!keys || (!keys->present.empty() && !keys->present[i])) return std::nullopt;
    return load<std::int64_t>(static_cast<const std::byte*>(keys->values) + 8 * i);
  }

  bool same_key(std::int64_t a, std::int64_t b) const {
    const auto key = key_of(query_.dedup_keys, a);
    return key && key == key_of(query_.dedup_keys, b);
  }

  bool was_shown_above(std::int64_t candidate) const {
    const auto key = key_of(query_.dedup_keys, candidate);
    for (std::int64_t i = 0; key && i < query_.above.count; ++i) {
      if (key == key_of(query_.above.dedup_keys, i)) return true;
    }
    return false;
  }

  // A name of a rule: known, and not used by a rule before it. `name_of(i)` is that of rule i.
  template <typename NameOf>
  Status rule_name(const char* list, const char* part, std::size_t index, const char* what,
                   const std::vector<std::string>& known, const NameOf& name_of) {
    const std::string_view name = name_of(index);
    const auto field = [&] { return item(list, index) + "." + part; };
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return unknown_name(field(), repr(name), what, name, {known.begin(), known.end()});
    }
    for (std::size_t i = 0; i < index; ++i) {
      if (name_of(i) == name) {
        return Status::invalid(field(), repr(name),
                               "this " + std::string(what) + " has a rule already");
      }
    }
    return {};
  }

  Status spacing() {
    const auto name_of = [&](std::size_t i) { return query_.spacing[i].group; };
    for (std::size_t i = 0; i < query_.spacing.size(); ++i) {
      const Spacing& rule = query_.spacing[i];
      Status status = rule_name("spacing", "group", i, "group key", contract_.groups, name_of);
      if (!status) return status;
      const auto window = [&] { return item("spacing", i) + ".window"; };
      status = check_integer(window, rule.window, 1, kInt32Max);
      if (!status) return status;
      const auto cap = [&] { return item("spacing", i) + ".cap"; };
      status = check_integer(cap, rule.cap, 1, kInt32Max);
      if (!status) return status;
    }
    return {};
  }

  Status quotas() {
    const auto name_of = [&](std::size_t i) { return query_.quotas[i].flag; };
    for (std::size_t i = 0; i < query_.quotas.size(); ++i) {
      const Quota& rule = query_.quotas[i];
      Status status = rule_name("quotas", "flag", i, "flag", contract_.flags, name_of);
      if (!status) return status;
      const auto least = [&] { return item("quotas", i) + ".min"; };
      status = check_integer(least, rule.min, 0, kInt32Max);
      if (!status) return status;
      const auto most = [&] { return item("quotas", i) + ".max"; };
      if (rule.max) status = check_integer(most, *rule.max, rule.min, kInt32Max);
      if (!status) return status;
    }
    return {};
  }

  Status weights() {
    for (const Weight& weight : query_.weights) {
      const auto field = [&] { return "weights." + std::string(weight.utility); };
      const auto range =
          std::find_if(contract_.weights.begin(), contract_.weights.end(),
                       [&](const WeightRange& known) { return known.utility == weight.utility; });
      if (range == contract_.weights.end()) {
        std::vector<std::string_view> known;
        for (const WeightRange& each : contract_.weights) known.push_back(each.utility);
        return unknown_name(field(), repr(weight.value), "utility", weight.utility,
                            std::move(known));
      }
      Status status = check_real(field, weight.value, range->minimum, range->maximum);
      if (!status) return status;
    }
    return {};
  }

  Status temperature() {
    return check_real([] { return "temperature"; }, query_.temperature.value_or(1.0),
                      kLowestTemperature, kHighestTemperature);
  }

  const Contract& contract_;
  const Query& query_;
  const UnknownFeatures unknown_;
  const std::size_t count_;
  std::size_t ignored_ = 0;
  std::int64_t slots_ = 0;
};

}  // namespace

Status check_rules(const Contract& contract, const Query& query) {
  return QueryCheck(contract, query).rules();
}

Status Contract::check(const Query& query, UnknownFeatures unknown,
                       std::size_t* ignored) const noexcept try {
  QueryCheck check(*this, query, unknown);
  Status status = check.run();
  if (ignored != nullptr) *ignored = check.ignored();
  return status;
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

}  // namespace gerank
