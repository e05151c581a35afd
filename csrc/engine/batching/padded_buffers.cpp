#include "padded_buffers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <utility>

#include "../contract/duplicates.h"
#include "../contract/preset.h"
#include "../contract/unmet.h"

namespace gerank {
namespace {

// A choice that is certain may come out above log(1) by rounding.
constexpr float kLargestLogProb = 1e-4f;
constexpr std::int64_t kEveryRelaxedRule = kRelaxedSpacing | kRelaxedQuotas;

std::uint64_t random_seed() {
  thread_local std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

template <typename To, typename From>
void scatter(const Column& column, std::size_t rows, To* to, std::size_t width) {
  for (std::size_t row = 0; row < rows; ++row) {
    to[row * width] = static_cast<To>(column.at<From>(row));
  }
}

void scatter_dense(const Column& column, std::size_t rows, float* to, std::size_t width) {
  switch (column.type) {
    case ColumnType::kFloat32:
      return scatter<float, float>(column, rows, to, width);
    case ColumnType::kFloat64:
      return scatter<float, double>(column, rows, to, width);
    case ColumnType::kInt64:
      return scatter<float, std::int64_t>(column, rows, to, width);
  }
}

// How many features from `first` on lie in `columns` side by side, as they lie in the batch.
std::size_t run_length(const std::vector<Feature>& features, std::span<const Column> columns,
                       std::size_t first, ColumnType type) {
  const std::size_t bytes = value_bytes(type);
  std::size_t last = first;
  while (last + 1 < features.size() && features[last + 1].dense == features[first].dense &&
         features[last + 1].column == features[last].column + 1 && columns[last + 1].type == type &&
         columns[last + 1].stride == columns[first].stride &&
         columns[last + 1].first == columns[last].first + bytes) {
    ++last;
  }
  return last + 1 - first;
}

// Copies a run of features; in one piece where the rows of the block are the rows of the batch.
void copy_run(const Column& column, std::size_t rows, std::size_t run, std::size_t bytes, void* to,
              std::size_t width) {
  auto* out = static_cast<std::byte*>(to);
  if (run == width && column.stride == run * bytes) {
    std::memcpy(out, column.first, rows * run * bytes);
    return;
  }
  for (std::size_t row = 0; row < rows; ++row) {
    std::memcpy(out + row * width * bytes, column.first + row * column.stride, run * bytes);
  }
}

void fill_side(const std::vector<Feature>& features, std::span<const Column> columns,
               std::size_t rows, float* dense, std::size_t dense_width, std::int64_t* ids,
               std::size_t ids_width) {
  for (std::size_t f = 0; f < features.size();) {
    const Feature& feature = features[f];
    const Column& column = columns[f];
    const auto place = static_cast<std::size_t>(feature.column);
    std::size_t run = 1;
    if (feature.dense && column.type != ColumnType::kFloat32) {
      scatter_dense(column, rows, dense + place, dense_width);
    } else if (run = run_length(features, columns, f, column.type); feature.dense) {
      copy_run(column, rows, run, sizeof(float), dense + place, dense_width);
    } else {
      copy_run(column, rows, run, sizeof(std::int64_t), ids + place, ids_width);
    }
    f += run;
  }
}

template <typename T>
const T* assign(std::vector<T>& memory, std::int64_t size, T value) {
  memory.assign(static_cast<std::size_t>(size), value);
  return memory.data();
}

// Every element of the array is written afterwards.
template <typename T>
T* resize_to(std::vector<T>& memory, std::int64_t size) {
  memory.resize(static_cast<std::size_t>(size));
  return memory.data();
}

}  // namespace

void set_widths(const Contract& contract, PaddedBatch* batch) {
  batch->user_dense_width = contract.user_dense;
  batch->user_ids_width = contract.user_ids;
  batch->candidate_dense_width = contract.candidate_dense;
  batch->candidate_ids_width = contract.candidate_ids;
  batch->groups = static_cast<std::int64_t>(contract.groups.size());
  batch->flags = static_cast<std::int64_t>(contract.flags.size());
  batch->utilities = static_cast<std::int64_t>(contract.weights.size());
}

void PaddedBuffers::resize(const Contract& contract, std::span<const Query* const> queries) {
  PaddedBatch& batch = batch_;
  batch.B = static_cast<std::int64_t>(queries.size());
  batch.M = batch.N = 0;
  for (const Query* query : queries) {
    const std::int64_t slots = query->slots.value_or(contract.preset_of(*query).slots);
    batch.M = std::max(batch.M, query->candidate_count + query->above.count);
    batch.N = std::max(batch.N, slots + query->above.count);
  }
  set_widths(contract, &batch);
  const std::int64_t rows = batch.B * batch.M, places = batch.B * batch.N;
  batch.user_dense = resize_to(user_dense_, batch.B * batch.user_dense_width);
  batch.user_ids = resize_to(user_ids_, batch.B * batch.user_ids_width);
  batch.candidate_dense = resize_to(candidate_dense_, rows * batch.candidate_dense_width);
  batch.candidate_ids = resize_to(candidate_ids_, rows * batch.candidate_ids_width);
  batch.candidate_mask = reinterpret_cast<const bool*>(resize_to(mask_, rows));
  batch.weights = resize_to(weights_, batch.B * batch.utilities);
  batch.pins = assign(pins_, places, std::int64_t{-1});
  batch.dedup_keys = assign(dedup_keys_, rows, std::int64_t{-1});
  batch.spacing = resize_to(spacing_, batch.B * batch.groups * 2);
  batch.quotas = resize_to(quotas_, batch.B * batch.flags * 2);
  batch.slots = resize_to(slots_, batch.B);
  batch.temperature = resize_to(temperature_, batch.B);
  batch.seeds = resize_to(seeds_, batch.B);
  batch.greedy = reinterpret_cast<const bool*>(resize_to(greedy_, batch.B));
  asked_.resize(queries.size());
  answer_.slates = resize_to(slates_, places);
  answer_.log_prob = resize_to(log_prob_, places);
  answer_.relaxed = resize_to(relaxed_, places);
}

void PaddedBuffers::fill(const Contract& contract, std::span<const Query* const> queries) {
  resize(contract, queries);
  for (std::size_t b = 0; b < queries.size(); ++b) {
    fill_features(contract, *queries[b], b);
    fill_rules(contract, *queries[b], b);
  }
}

void PaddedBuffers::fill_features(const Contract& contract, const Query& query, std::size_t b) {
  const auto F = static_cast<std::size_t>(batch_.candidate_dense_width);
  const auto I = static_cast<std::size_t>(batch_.candidate_ids_width);
  const auto user_F = static_cast<std::size_t>(batch_.user_dense_width);
  const auto user_I = static_cast<std::size_t>(batch_.user_ids_width);
  const auto count = static_cast<std::size_t>(query.candidate_count);
  const auto M = static_cast<std::size_t>(batch_.M);
  // The queries were checked: the names resolve.
  constexpr auto kIgnore = UnknownFeatures::kIgnore;
  static_cast<void>(user_.resolve(user_side(contract, query, kIgnore)));
  fill_side(contract.user, user_.columns(), 1, user_dense_.data() + b * user_F, user_F,
            user_ids_.data() + b * user_I, user_I);
  static_cast<void>(candidates_.resolve(candidate_side(contract, query, kIgnore)));
  float* dense = candidate_dense_.data() + b * M * F;     // [M, F]
  std::int64_t* ids = candidate_ids_.data() + b * M * I;  // [M, I]
  unsigned char* mask = mask_.data() + b * M;             // [M]
  fill_side(contract.candidate, candidates_.columns(), count, dense, F, ids, I);
  std::fill(dense + count * F, dense + M * F, 0.0f);
  std::fill(ids + count * I, ids + M * I, 0);
  if (query.above.count > 0) {
    static_cast<void>(above_.resolve(above_side(contract, query, kIgnore)));
    fill_side(contract.above, above_.columns(), static_cast<std::size_t>(query.above.count),
              dense + count * F, F, ids + count * I, I);
  }
  std::fill(mask, mask + count, 1);
  std::fill(mask + count, mask + M, 0);
}

void PaddedBuffers::fill_rules(const Contract& contract, const Query& query, std::size_t b) {
  const Preset& preset = contract.preset_of(query);
  const RuleRows rows{weights_.data() + b * preset.weights.size(),
                      spacing_.data() + b * preset.spacing.size(),
                      quotas_.data() + b * preset.quotas.size()};
  std::copy(preset.weights.begin(), preset.weights.end(), rows.weights);
  std::copy(preset.spacing.begin(), preset.spacing.end(), rows.spacing);
  std::copy(preset.quotas.begin(), preset.quotas.end(), rows.quotas);
  write_rules(contract, query, rows);
  std::int64_t* pins = pins_.data() + b * static_cast<std::size_t>(batch_.N);  // [N]
  for (const Pin& pin : query.pins) pins[query.above.count + pin.slot] = pin.candidate;
  if (query.dedup_keys) {
    fill_dedup_keys(query, dedup_keys_.data() + b * static_cast<std::size_t>(batch_.M));
  }
  const std::int64_t slots = query.slots.value_or(preset.slots);
  slots_[b] = query.above.count + slots;
  temperature_[b] = static_cast<float>(query.temperature.value_or(preset.temperature));
  greedy_[b] = query.greedy.value_or(preset.greedy);
  const std::uint64_t seed = query.seed ? *query.seed : (greedy_[b] ? 0 : random_seed());
  seeds_[b] = static_cast<std::int64_t>(seed);
  asked_[b] = {query.candidate_count, slots, query.above.count, seed};
  if (query.above.count > 0) leave_room_above(contract, query, b);
}

// Pins the slots above, and asks as many members of a flag more as they have.
void PaddedBuffers::leave_room_above(const Contract& contract, const Query& query, std::size_t b) {
  const auto M = static_cast<std::size_t>(batch_.M), N = static_cast<std::size_t>(batch_.N);
  const auto I = static_cast<std::size_t>(batch_.candidate_ids_width);
  const auto first = static_cast<std::size_t>(query.candidate_count);
  const auto count = static_cast<std::size_t>(query.above.count);
  for (std::size_t a = 0; a < count; ++a) {
    pins_[b * N + a] = static_cast<std::int64_t>(first + a);
  }
  for (std::size_t q = 0; q < contract.flags.size(); ++q) {
    const std::size_t column = contract.flag_columns[q];
    std::int64_t members = 0;
    for (std::size_t a = 0; a < count; ++a) {
      members += candidate_ids_[(b * M + first + a) * I + column] > 0;
    }
    std::int64_t* quota = quotas_.data() + 2 * (b * contract.flags.size() + q);  // min, max
    if (quota[0] > 0) quota[0] += members;
    if (quota[1] >= 0) quota[1] += members;
  }
}

// Every int64 can be a key, but only their equality matters: a key becomes the first candidate that
// has it, those above behind the others. Of equal keys above one stands for all, since a key is
// pinned once.
void PaddedBuffers::fill_dedup_keys(const Query& query, std::int64_t* keys) const {
  const DedupKeys& given = *query.dedup_keys;
  const auto count = static_cast<std::size_t>(query.candidate_count);
  const auto value_of = [&](std::size_t i) {
    const DedupKeys& side = i < count ? given : *query.above.dedup_keys;
    const auto* values = static_cast<const std::byte*>(side.values);
    return load<std::int64_t>(values + 8 * (i < count ? i : i - count));
  };
  FirstIndices seen;
  for (std::size_t m = 0; m < count; ++m) {
    if (!given.present.empty() && !given.present[m]) continue;
    keys[m] = static_cast<std::int64_t>(seen.insert(m, value_of));
  }
  if (!query.above.dedup_keys) return;
  const DedupKeys& above = *query.above.dedup_keys;
  FirstIndices seen_above;
  for (std::size_t a = 0; a < static_cast<std::size_t>(query.above.count); ++a) {
    if (!above.present.empty() && !above.present[a]) continue;
    if (seen_above.insert(count + a, value_of) != count + a) continue;
    keys[count + a] = static_cast<std::int64_t>(seen.insert(count + a, value_of));
  }
}

Status PaddedBuffers::check_answer(std::size_t b) const {
  const auto N = static_cast<std::size_t>(batch_.N);
  const std::int64_t* choices = slates_.data() + b * N;
  const auto above = static_cast<std::size_t>(asked_[b].above);
  for (std::size_t n = above; n < N; ++n) {
    if (choices[n] == -1) continue;
    const char* fault = nullptr;
    if (choices[n] < 0 || choices[n] >= asked_[b].candidates) {
      fault = ", which the request does not have";
    } else if (n >= above + static_cast<std::size_t>(asked_[b].slots)) {
      fault = ", behind the last slot of the request";
    } else if (std::find(choices + above, choices + n, choices[n]) != choices + n) {
      fault = ", which stands further up already";
    } else if (!std::isfinite(log_prob_[b * N + n])) {
      fault = " with a log_prob that is not finite";
    } else if (log_prob_[b * N + n] > kLargestLogProb) {
      fault = " with a log_prob above zero";
    } else if ((relaxed_[b * N + n] & ~kEveryRelaxedRule) != 0) {
      fault = " with a relaxed rule that does not exist";
    }
    if (fault != nullptr) {
      return Status(Code::kInternal, "the model answered candidate " + std::to_string(choices[n]) +
                                         " at slot " + std::to_string(n - above) + fault);
    }
  }
  return {};
}

Status PaddedBuffers::split(const Contract& contract, std::size_t b, Slate* slate) const {
  if (Status status = check_answer(b); !status) return status;
  const auto N = static_cast<std::size_t>(batch_.N);
  slate->slots.clear();
  slate->candidates.clear();
  slate->log_prob.clear();
  slate->relaxed.clear();
  const auto above = static_cast<std::size_t>(asked_[b].above);
  for (std::size_t n = above; n < N; ++n) {
    const std::int64_t choice = slates_[b * N + n];
    if (choice < 0) continue;
    slate->slots.push_back(static_cast<std::int32_t>(n - above));
    slate->candidates.push_back(static_cast<std::int32_t>(choice));
    slate->log_prob.push_back(log_prob_[b * N + n]);
    slate->relaxed.push_back(static_cast<std::uint8_t>(relaxed_[b * N + n]));
  }
  slate->seed = asked_[b].seed;
  slate->unmet.clear();
  UnmetRules(contract, batch_, b, asked_[b].candidates, above, {slates_.data() + b * N, N})
      .find(&slate->unmet);
  return {};
}

}  // namespace gerank
