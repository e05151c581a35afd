#include <algorithm>
#include <string>

#include "request_fields.h"
#include "value_field.h"

namespace gerank::wire {
namespace {

enum Mode : std::int32_t { kUnspecified = 0, kGreedy = 1, kSample = 2 };

Status read_dedup_keys(const std::string& path, const std::optional<DedupFields>& fields,
                       std::optional<DedupKeys>* keys) {
  if (!fields) return {};
  ValueField given{};
  Status status = read_values(path,
                              {packed("int64_le", ColumnType::kInt64, fields->int64_le),
                               numbers("ints", ColumnType::kInt64, fields->ints)},
                              &given);
  *keys = DedupKeys{given.values, given.bytes, fields->present.view()};
  return status;
}

Status read_above(const std::optional<AboveFields>& fields, Above* above) {
  if (!fields) return {};
  if (Status status = fields->features.check("above.features"); !status) return status;
  above->count = fields->count;
  above->features = fields->features.view();
  return read_dedup_keys("above.dedup_keys", fields->dedup_keys, &above->dedup_keys);
}

// The entries of a map, by key: of those with one key the last counts.
std::span<const Weight> read_map(List<Weight>& entries) {
  const auto before = [](const Weight& a, const Weight& b) { return a.utility < b.utility; };
  const auto same = [](const Weight& a, const Weight& b) { return a.utility == b.utility; };
  std::reverse(entries.begin(), entries.end());
  std::stable_sort(entries.begin(), entries.end(), before);
  return {entries.begin(), std::unique(entries.begin(), entries.end(), same)};
}

Status read_mode(std::int32_t mode, Query* query) {
  if (mode == kUnspecified) return {};
  if (mode != kGreedy && mode != kSample) {
    return Status::invalid("mode", std::to_string(mode),
                           "must be one of ['MODE_UNSPECIFIED', 'MODE_GREEDY', 'MODE_SAMPLE']");
  }
  query->greedy = mode == kGreedy;
  return {};
}

}  // namespace

Status QueryFields::read(Query* whole) {
  *whole = query;
  if (Status status = user_features.check("user_features"); !status) return status;
  if (Status status = candidate_features.check("candidate_features"); !status) return status;
  whole->user_features = user_features.view();
  whole->candidate_features = candidate_features.view();
  whole->candidate_ids = candidate_ids.view();
  if (whole->slots == 0) whole->slots.reset();
  whole->pins = pins.view();
  whole->spacing = spacing.view();
  whole->quotas = quotas.view();
  whole->weights = read_map(weights);
  Status status = read_dedup_keys("dedup_keys", dedup_keys, &whole->dedup_keys);
  if (!status) return status;
  if (status = read_above(above, &whole->above); !status) return status;
  return read_mode(mode, whole);
}

}  // namespace gerank::wire
