#include "golden_tensors.h"

#include <cstring>

#include "../contract/json.h"
#include "refusal.h"

namespace gerank {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Refusal{"malformed artifact: golden requests: " + why};
}

struct DataType {
  const char* name;
  GoldenType type;
  std::uint64_t bytes;
};

constexpr DataType kTypes[] = {
    {"F32", GoldenType::kFloat, 4}, {"I64", GoldenType::kInt64, 8}, {"BOOL", GoldenType::kBool, 1}};

const DataType& data_type(const Json* name) {
  for (const DataType& type : kTypes) {
    if (name != nullptr && name->type == Json::Type::kString && name->text == type.name)
      return type;
  }
  refuse("a tensor's dtype is " + (name == nullptr ? "missing" : repr(*name)));
}

bool is_natural(const Json& number) {
  return number.type == Json::Type::kInteger && number.integer >= 0;
}

GoldenTensor read_tensor(const std::string& name, const Json& header, std::string_view numbers) {
  GoldenTensor tensor;
  const DataType& type = data_type(header.find("dtype"));
  tensor.type = type.type;
  const Json *shape = header.find("shape"), *offsets = header.find("data_offsets");
  if (shape == nullptr || offsets == nullptr || offsets->items.size() != 2 ||
      !is_natural(offsets->items[0]) || !is_natural(offsets->items[1])) {
    refuse("'" + name + "' has no sound shape and offsets");
  }
  const auto first = static_cast<std::uint64_t>(offsets->items[0].integer);
  const auto last = static_cast<std::uint64_t>(offsets->items[1].integer);
  if (first > last || last > numbers.size()) refuse("'" + name + "' lies beyond the end");
  std::uint64_t count = 1;
  for (const Json& axis : shape->items) {
    if (!is_natural(axis)) refuse("'" + name + "' has no sound shape and offsets");
    const auto length = static_cast<std::uint64_t>(axis.integer);
    if (length > 0 && count > numbers.size() / length) {
      refuse("'" + name + "' is larger than its file");
    }
    count *= length;
    tensor.shape.push_back(axis.integer);
  }
  if (count * type.bytes != last - first) refuse("'" + name + "' has not the size of its shape");
  tensor.values = std::make_shared<FileBytes>(last - first);
  std::memcpy(tensor.values->data(), numbers.data() + first, last - first);
  if (type.type == GoldenType::kBool) {
    for (std::uint64_t i = 0; i < count; ++i) {
      tensor.values->data()[i] = tensor.values->data()[i] != 0;
    }
  }
  return tensor;
}

}  // namespace

GoldenTensors read_safetensors(std::string_view content) {
  std::uint64_t length = 0;
  if (content.size() < sizeof length) refuse("they are too short");
  std::memcpy(&length, content.data(), sizeof length);
  content.remove_prefix(sizeof length);
  if (length > content.size()) refuse("their header lies beyond the end");
  Json header;
  if (const Status status = Json::parse(content.substr(0, length), &header); !status) {
    refuse(status.message());
  }
  content.remove_prefix(length);
  GoldenTensors tensors;
  for (const auto& [name, tensor] : header.members) {
    if (name == "__metadata__") continue;
    tensors.emplace(name, read_tensor(name, tensor, content));
  }
  return tensors;
}

}  // namespace gerank
