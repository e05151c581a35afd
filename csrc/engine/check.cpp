// Whether one artifact can answer one query: the only place where that is decided.

#include <gerank/contract.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <exception>
#include <limits>
#include <string>

#include "../decode/limits.h"
#include "column_text.h"
#include "duplicates.h"
#include "python_text.h"
#include "resolved_features.h"
#include "unknown_name.h"

namespace gerank {
namespace {

constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();
// Beyond this range float32 logits are no longer told apart, or overflow.
constexpr double kLowestTemperature = 1e-3, kHighestTemperature = 1e3;

std::string item(const char* list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

// The texts of a field are made only when it is wrong: fields are checked far more often than
// shown.
template <typename Field>
Status check_integer(const Field& field, std::int64_t value, std::int64_t low, std::int64_t high,
                     const char* what = "") {
  if (value >= low && value <= high) return {};
  return Status::invalid(
      field(), repr(value),
      std::string(what) + "must be an integer in [" + repr(low) + ", " + repr(high) + "]");
}

template <typename Field>
Status check_real(const Field& field, double value, double low, double high) {
  if (value >= low && value <= high) return {};  // false for NaN too
  return Status::invalid(field(), repr(value),
                         "must be a number in [" + general(low) + ", " + general(high) + "]");
}

// ---- values of features

bool all_finite(const std::byte* values, std::size_t count) {
  constexpr std::uint32_t kExponent = 0x7F800000;
  std::uint32_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    found |= (load<std::uint32_t>(values + 4 * i) & kExponent) == kExponent;
  }
  return found == 0;
}

bool good_dense(const Column& column, std::size_t row) {
  switch (column.type) {
    case ColumnType::kFloat32:
      return std::isfinite(column.at<float>(row));
    case ColumnType::kFloat64:
      return std::isfinite(static_cast<float>(column.at<double>(row)));
    case ColumnType::kInt64:
      return true;
  }
  return false;
}

bool good_id(const Feature& feature, const Column& column, std::size_t row) {
  const auto id = column.at<std::int64_t>(row);
  return feature.hashed || (id >= 0 && id < feature.vocabulary);
}

std::string rule_of(const Feature& feature) {
  if (feature.dense) return "must be a finite float32";
  if (feature.hashed) return "must be a 64-bit integer or a string";
  return "must be an id in [0, " + repr(feature.vocabulary - 1) + "]";
}

Status check_kind(std::string_view side, bool dense, const std::vector<Feature>& features,
                  std::span<const Column> columns, std::size_t rows) {
  for (std::size_t f = 0; f < features.size(); ++f) {
    if (features[f].dense != dense || dense || columns[f].type == ColumnType::kInt64) continue;
    return Status::invalid(std::string(side) + "." + features[f].name, list_text(columns[f], rows),
                           "must be 64-bit integers");
  }
  for (std::size_t f = 0; f < features.size(); ++f) {
    if (features[f].dense != dense) continue;
    for (std::size_t row = 0; row < rows; ++row) {
      if (dense ? good_dense(columns[f], row) : good_id(features[f], columns[f], row)) continue;
      const std::string path = side == "user" ? "user" : item("candidates", row);
      return Status::invalid(path + "." + features[f].name, value_text(columns[f], row),
                             rule_of(features[f]));
    }
  }
  return {};
}

// Whether the numbers of float32 blocks are finite, block by block: they are most of a query.
bool all_float32_finite(std::span<const FeatureBlock> blocks) {
  return std::all_of(blocks.begin(), blocks.end(), [](const FeatureBlock& block) {
    return block.type != ColumnType::kFloat32 ||
           all_finite(static_cast<const std::byte*>(block.values), block.bytes / 4);
  });
}

bool values_are_good(const std::vector<Feature>& features, std::span<const Column> columns,
                     std::span<const FeatureBlock> blocks, std::size_t rows) {
  for (std::size_t f = 0; f < features.size(); ++f) {
    const Feature& feature = features[f];
    const ColumnType type = columns[f].type;
    if (feature.dense ? type != ColumnType::kFloat64
                      : (feature.hashed && type == ColumnType::kInt64))
      continue;
    if (!feature.dense && type != ColumnType::kInt64) return false;
    for (std::size_t row = 0; row < rows; ++row) {
      if (!(feature.dense ? good_dense(columns[f], row) : good_id(feature, columns[f], row))) {
        return false;
      }
    }
  }
  return all_float32_finite(blocks);
}

struct Side {
  const char* name;
  const char* field;
  const std::vector<Feature>& features;
  const std::vector<std::uint32_t>& by_name;
  std::span<const FeatureBlock> blocks;
  std::size_t rows;
};

Status check_values(const Side& side, std::span<const Column> columns) {
  if (values_are_good(side.features, columns, side.blocks, side.rows)) return {};
  Status status = check_kind(side.name, true, side.features, columns, side.rows);
  return status ? check_kind(side.name, false, side.features, columns, side.rows) : status;
}

Status check_side(const Side& side, ResolvedFeatures* resolved) {
  Status status =
      resolved->resolve(side.name, side.field, side.features, side.by_name, side.blocks, side.rows);
  return status ? check_values(side, resolved->columns()) : status;
}

// ---- the rest of a query

class QueryCheck {
 public:
  QueryCheck(const Contract& contract, const Query& query)
      : contract_(contract),
        query_(query),
        count_(static_cast<std::size_t>(std::max<std::int64_t>(query.candidate_count, 0))) {}

  Status run() {
    Status status;
    for (const auto part :
         {&QueryCheck::count, &QueryCheck::ids, &QueryCheck::dedup_keys, &QueryCheck::features,
          &QueryCheck::slots, &QueryCheck::pins, &QueryCheck::spacing, &QueryCheck::quotas,
          &QueryCheck::weights, &QueryCheck::sampling}) {
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

  Status dedup_keys() {
    if (!query_.dedup_keys) return {};
    const auto& keys = *query_.dedup_keys;
    if (keys.bytes % 8 != 0) {
      return Status::invalid("dedup_keys.int64_le",
                             repr(std::string_view(std::to_string(keys.bytes) + " bytes")),
                             "must be whole numbers of 8 bytes each");
    }
    if (Status status = check_length("dedup_keys", keys.bytes / 8); !status) return status;
    return keys.present.empty() ? Status()
                                : check_length("dedup_keys.present", keys.present.size());
  }

  Status check_length(const char* field, std::size_t length) {
    if (length == count_) return {};
    return Status::invalid(field, repr(std::string_view(std::to_string(length) + " values")),
                           "must have " + std::to_string(count_) + " values, one per candidate");
  }

  Status features() {
    thread_local ResolvedFeatures resolved;
    const Side user{
        "user", "user_features", contract_.user, contract_.user_by_name, query_.user_features, 1};
    if (Status status = check_side(user, &resolved); !status) return status;
    const Side candidates{"candidates",
                          "candidate_features",
                          contract_.candidate,
                          contract_.candidate_by_name,
                          query_.candidate_features,
                          count_};
    return check_side(candidates, &resolved);
  }

  Status slots() {
    slots_ = query_.slots.value_or(contract_.max_slots);
    return check_integer([] { return "slots"; }, slots_, 1, contract_.max_slots);
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
    return {};
  }

  std::string shown(std::int64_t candidate) const {
    return query_.candidate_ids.empty()
               ? repr(candidate)
               : repr(query_.candidate_ids[static_cast<std::size_t>(candidate)]);
  }

  bool same_key(std::int64_t a, std::int64_t b) const {
    if (!query_.dedup_keys) return false;
    const auto& keys = *query_.dedup_keys;
    const auto has_key = [&](std::int64_t candidate) {
      return keys.present.empty() || keys.present[static_cast<std::size_t>(candidate)];
    };
    const auto key = [&](std::int64_t candidate) {
      return load<std::int64_t>(static_cast<const std::byte*>(keys.values) + 8 * candidate);
    };
    return has_key(a) && has_key(b) && key(a) == key(b);
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

  Status sampling() {
    return check_real([] { return "temperature"; }, query_.temperature, kLowestTemperature,
                      kHighestTemperature);
  }

  const Contract& contract_;
  const Query& query_;
  const std::size_t count_;
  std::int64_t slots_ = 0;
};

}  // namespace

Status Contract::check(const Query& query) const noexcept try {
  return QueryCheck(*this, query).run();
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

}  // namespace gerank
