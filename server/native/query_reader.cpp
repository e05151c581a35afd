#include "query_reader.h"

#include <string>
#include <string_view>

#include "arena_array.h"
#include "value_field.h"

namespace gerank::server {
namespace {

using google::protobuf::Arena;

std::string path_at(std::string_view field, int index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

Status read_dedup_keys(const wire::Query& message, Query* query) {
  if (!message.has_dedup_keys()) return {};
  const wire::DedupKeys& keys = message.dedup_keys();
  ValueField given{};
  Status status = read_values("dedup_keys",
                              {packed("int64_le", ColumnType::kInt64, keys.int64_le()),
                               numbers("ints", ColumnType::kInt64, keys.ints())},
                              &given);
  if (!status.ok()) return status;
  query->dedup_keys =
      DedupKeys{given.values, given.bytes, {keys.present().data(), size_t(keys.present_size())}};
  return {};
}

void read_rules(Arena& arena, const wire::Query& message, Query* query) {
  const auto pins = make_array<Pin>(arena, message.pins_size());
  for (size_t i = 0; i < pins.size(); ++i) {
    const wire::Pin& pin = message.pins(int(i));
    pins[i] = {pin.slot(), pin.candidate()};
  }
  const auto spacing = make_array<Spacing>(arena, message.spacing_size());
  for (size_t i = 0; i < spacing.size(); ++i) {
    const wire::Spacing& rule = message.spacing(int(i));
    spacing[i] = {rule.group(), rule.window(), rule.cap()};
  }
  const auto quotas = make_array<Quota>(arena, message.quotas_size());
  for (size_t i = 0; i < quotas.size(); ++i) {
    const wire::Quota& rule = message.quotas(int(i));
    quotas[i] = {rule.flag(), rule.min(), std::nullopt};
    if (rule.has_max()) quotas[i].max = rule.max();
  }
  const auto weights = make_array<Weight>(arena, int(message.weights_size()));
  size_t next = 0;
  for (const auto& [utility, value] : message.weights()) weights[next++] = {utility, value};
  query->pins = pins;
  query->spacing = spacing;
  query->quotas = quotas;
  query->weights = weights;
}

Status read_sampling(const wire::Query& message, Query* query) {
  switch (message.mode()) {
    case wire::MODE_UNSPECIFIED:
      break;
    case wire::MODE_GREEDY:
      query->greedy = true;
      break;
    case wire::MODE_SAMPLE:
      query->greedy = false;
      break;
    default:
      return Status::invalid("mode", std::to_string(int(message.mode())),
                             "must be one of ['MODE_UNSPECIFIED', 'MODE_GREEDY', 'MODE_SAMPLE']");
  }
  if (message.has_seed()) query->seed = message.seed();
  if (message.has_temperature()) query->temperature = message.temperature();
  return {};
}

Status read_query(BlockReader& blocks, Arena& arena, const wire::Query& message, Query* query) {
  query->candidate_count = message.candidate_count();
  Status status = blocks.read("user_features", message.user_features(), &query->user_features);
  if (!status.ok()) return status;
  status =
      blocks.read("candidate_features", message.candidate_features(), &query->candidate_features);
  if (!status.ok()) return status;
  query->candidate_ids = views(arena, message.candidate_ids());
  query->preset = message.preset();
  if (message.slots() != 0) query->slots = message.slots();
  read_rules(arena, message, query);
  status = read_dedup_keys(message, query);
  if (!status.ok()) return status;
  return read_sampling(message, query);
}

}  // namespace

Status read_queries(const wire::RerankRequest& message, Arena& arena, BlockReader& blocks,
                    std::span<const Query>* queries) {
  const int count = message.queries_size();
  const auto array = make_array<Query>(arena, count);
  for (int i = 0; i < count; ++i) {
    Status status = read_query(blocks, arena, message.queries(i), &array[size_t(i)]);
    if (!status.ok()) return status.within(path_at("queries", i));
  }
  *queries = array;
  return {};
}

}  // namespace gerank::server
