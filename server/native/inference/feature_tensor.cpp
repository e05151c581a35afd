#include "feature_tensor.h"

#include <algorithm>
#include <string>

namespace gerank::server::inference {
namespace {

// FNV-1a, 64 bit, without its sign bit.
std::int64_t hash_id(std::string_view text) {
  std::uint64_t state = 0xCBF29CE484222325;
  for (const char byte : text) state = (state ^ std::uint8_t(byte)) * 0x100000001B3;
  return std::int64_t(state & 0x7FFFFFFFFFFFFFFF);
}

// The values as int64 in the arena; `value_at(i)` is the one at that place.
template <typename ValueAt>
const std::byte* as_int64(std::size_t size, Arena& arena, const ValueAt& value_at) {
  auto* const values = static_cast<std::int64_t*>(
      arena.allocate(size * sizeof(std::int64_t), alignof(std::int64_t)));
  for (std::size_t i = 0; i < size; ++i) values[i] = value_at(i);
  return reinterpret_cast<const std::byte*>(values);
}

Status wrong_width(const FeatureSide& side, std::string_view name, const Tensor& tensor,
                   const std::string& missing) {
  return Status::invalid(field_of(tensor.name, "shape"), text_of(tensor.shape),
                         "must end with 1 for one feature; for several, such as " +
                             std::string(name) + "_0, every one must be a feature of " +
                             std::string(side.name) + ", which '" + missing + "' is not");
}

Status read_names(const FeatureSide& side, std::string_view name, const Tensor& tensor,
                  std::size_t width, Arena& arena, FeatureTensor* feature) {
  List<std::string_view> names;
  if (width == 1) {
    names.push(arena, name);
  } else {
    for (std::size_t i = 0; i < width; ++i) {
      const std::string column = std::string(name) + "_" + std::to_string(i);
      const Feature* const known = side.find(column);
      if (known == nullptr) return wrong_width(side, name, tensor, column);
      names.push(arena, known->name);
    }
  }
  feature->names = names.view();
  return {};
}

Status wrong_type(const Tensor& tensor, std::string_view rule) {
  return Status::invalid(field_of(tensor.name, "datatype"),
                         "'" + std::string(name_of(tensor.type)) + "'", rule);
}

Status read_texts(const FeatureSide& side, const Tensor& tensor, Arena& arena,
                  FeatureTensor* feature) {
  for (const std::string_view name : feature->names) {
    const Feature* const known = side.find(name);
    if (known == nullptr || known->hashed) continue;
    return wrong_type(tensor, known->dense ? "must be FP32 or FP64, as the feature is dense"
                                           : "must be INT64, INT32 or BOOL, as the feature is an "
                                             "id that is not hashed");
  }
  feature->type = ColumnType::kInt64;
  feature->values =
      as_int64(tensor.size, arena, [&](std::size_t place) { return hash_id(tensor.texts[place]); });
  return {};
}

}  // namespace

const Feature* FeatureSide::find(std::string_view feature) const {
  const auto found = std::lower_bound(by_name.begin(), by_name.end(), feature,
                                      [&](std::uint32_t place, std::string_view wanted) {
                                        return std::string_view(features[place].name) < wanted;
                                      });
  return found != by_name.end() && features[*found].name == feature ? &features[*found] : nullptr;
}

Status read_feature(const FeatureSide& side, std::string_view name, const Tensor& tensor,
                    std::size_t width, Arena& arena, FeatureTensor* feature) {
  if (Status status = read_names(side, name, tensor, width, arena, feature); !status) return status;
  feature->values = tensor.values;
  feature->row_bytes = width * sizeof(std::int64_t);
  switch (tensor.type) {
    case DataType::kFp32:
      feature->type = ColumnType::kFloat32;
      feature->row_bytes = width * sizeof(float);
      return {};
    case DataType::kFp64:
      feature->type = ColumnType::kFloat64;
      return {};
    case DataType::kInt64:
      feature->type = ColumnType::kInt64;
      return {};
    case DataType::kInt32:
    case DataType::kBool:
      feature->type = ColumnType::kInt64;
      feature->values =
          as_int64(tensor.size, arena, [&](std::size_t place) { return tensor.whole_at(place); });
      return {};
    case DataType::kBytes:
      return read_texts(side, tensor, arena, feature);
    case DataType::kUint64:
      break;
  }
  return wrong_type(tensor, "must be FP32, FP64, INT64, INT32, BOOL or BYTES");
}

}  // namespace gerank::server::inference
