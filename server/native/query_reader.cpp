#include "query_reader.h"

#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace gerank::server {
namespace {

using google::protobuf::Arena;
using google::protobuf::RepeatedPtrField;

// A default-constructed array that lives as long as the arena, which runs no destructor for it.
template <typename T>
std::span<T> make_array(Arena& arena, int size) {
  static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 8);
  if (size == 0) return {};
  void* memory = Arena::CreateArray<char>(&arena, size_t(size) * sizeof(T));
  const std::span<T> array(static_cast<T*>(memory), size_t(size));
  std::uninitialized_value_construct(array.begin(), array.end());
  return array;
}

std::string path_at(std::string_view field, int index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

std::span<const std::string_view> views(Arena& arena, const RepeatedPtrField<std::string>& texts) {
  const auto array = make_array<std::string_view>(arena, texts.size());
  for (int i = 0; i < texts.size(); ++i) array[size_t(i)] = texts.Get(i);
  return array;
}

// One of the fields that may hold a message's numbers.
struct ValueField {
  std::string_view name;
  ColumnType type;
  const void* values;
  size_t bytes;
  bool packed;  // as little-endian bytes, which may end within a number
};

template <typename Number>
ValueField numbers(std::string_view name, ColumnType type,
                   const google::protobuf::RepeatedField<Number>& values) {
  return {name, type, values.data(), size_t(values.size()) * sizeof(Number), false};
}

ValueField packed(std::string_view name, ColumnType type, const std::string& bytes) {
  return {name, type, bytes.data(), bytes.size(), true};
}

// ['a', 'b']: the quoted names of the fields for which `wanted` holds.
template <typename Wanted>
std::string list_names(std::initializer_list<ValueField> fields, std::string_view quote,
                       Wanted wanted) {
  std::string text;
  for (const ValueField& field : fields) {
    if (!wanted(field)) continue;
    if (!text.empty()) text += ", ";
    text.append(quote).append(field.name).append(quote);
  }
  return text;
}

// The one field that holds numbers.
Status read_values(std::string_view path, std::initializer_list<ValueField> fields,
                   ValueField* given) {
  int count = 0;
  for (const ValueField& field : fields) {
    if (field.bytes == 0) continue;
    *given = field;
    ++count;
  }
  if (count != 1) {
    const auto any = [](const ValueField&) { return true; };
    const auto set = [](const ValueField& field) { return field.bytes > 0; };
    return Status::invalid(path, "[" + list_names(fields, "'", set) + "]",
                           "must have exactly one of " + list_names(fields, "", any));
  }
  const size_t width = given->type == ColumnType::kFloat32 ? 4 : 8;
  if (given->packed && given->bytes % width != 0) {
    return Status::invalid(std::string(path) + "." + std::string(given->name),
                           "'" + std::to_string(given->bytes) + " bytes'",
                           "must be whole numbers of " + std::to_string(width) + " bytes each");
  }
  return {};
}

Status read_block(Arena& arena, std::string_view field, int index, const v1::FeatureBlock& message,
                  FeatureBlock* block) {
  if (message.names_size() == 0) {
    return Status::invalid(path_at(field, index) + ".names", "[]",
                           "must name at least one feature");
  }
  const std::initializer_list<ValueField> fields = {
      packed("float32_le", ColumnType::kFloat32, message.float32_le()),
      packed("int64_le", ColumnType::kInt64, message.int64_le()),
      numbers("floats", ColumnType::kFloat32, message.floats()),
      numbers("ints", ColumnType::kInt64, message.ints())};
  ValueField given{};
  if (Status status = read_values("", fields, &given); !status.ok()) {
    return read_values(path_at(field, index), fields, &given);  // the path only where it is told
  }
  block->names = views(arena, message.names());
  block->type = given.type;
  block->values = given.values;
  block->bytes = given.bytes;
  return {};
}

Status read_blocks(Arena& arena, std::string_view field,
                   const RepeatedPtrField<v1::FeatureBlock>& messages,
                   std::span<const FeatureBlock>* blocks) {
  const auto array = make_array<FeatureBlock>(arena, messages.size());
  for (int i = 0; i < messages.size(); ++i) {
    Status status = read_block(arena, field, i, messages.Get(i), &array[size_t(i)]);
    if (!status.ok()) return status;
  }
  *blocks = array;
  return {};
}

Status read_dedup_keys(const v1::Query& message, Query* query) {
  if (!message.has_dedup_keys()) return {};
  const v1::DedupKeys& keys = message.dedup_keys();
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

void read_rules(Arena& arena, const v1::Query& message, Query* query) {
  const auto pins = make_array<Pin>(arena, message.pins_size());
  for (size_t i = 0; i < pins.size(); ++i) {
    const v1::Pin& pin = message.pins(int(i));
    pins[i] = {pin.slot(), pin.candidate()};
  }
  const auto spacing = make_array<Spacing>(arena, message.spacing_size());
  for (size_t i = 0; i < spacing.size(); ++i) {
    const v1::Spacing& rule = message.spacing(int(i));
    spacing[i] = {rule.group(), rule.window(), rule.cap()};
  }
  const auto quotas = make_array<Quota>(arena, message.quotas_size());
  for (size_t i = 0; i < quotas.size(); ++i) {
    const v1::Quota& rule = message.quotas(int(i));
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

Status read_sampling(const v1::Query& message, Query* query) {
  switch (message.mode()) {
    case v1::MODE_UNSPECIFIED:
      break;
    case v1::MODE_GREEDY:
      query->greedy = true;
      break;
    case v1::MODE_SAMPLE:
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

Status read_query(Arena& arena, const v1::Query& message, Query* query) {
  query->candidate_count = message.candidate_count();
  Status status =
      read_blocks(arena, "user_features", message.user_features(), &query->user_features);
  if (!status.ok()) return status;
  status = read_blocks(arena, "candidate_features", message.candidate_features(),
                       &query->candidate_features);
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

Status read_queries(const v1::RerankRequest& message, int max_queries, Arena& arena,
                    std::span<const Query>* queries) {
  const int count = message.queries_size();
  if (count < 1 || count > max_queries) {
    return Status::invalid("queries", std::to_string(count),
                           "must be 1 to " + std::to_string(max_queries));
  }
  const auto array = make_array<Query>(arena, count);
  for (int i = 0; i < count; ++i) {
    Status status = read_query(arena, message.queries(i), &array[size_t(i)]);
    if (!status.ok()) return status.within(path_at("queries", i));
  }
  *queries = array;
  return {};
}

}  // namespace gerank::server
