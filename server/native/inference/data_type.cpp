#include "data_type.h"

#include <array>

namespace gerank::server::inference {
namespace {

struct Known {
  DataType type;
  std::string_view name;
  std::size_t element_bytes;
};

constexpr std::array<Known, 7> kTypes{{{DataType::kBool, "BOOL", 1},
                                       {DataType::kUint64, "UINT64", 8},
                                       {DataType::kInt32, "INT32", 4},
                                       {DataType::kInt64, "INT64", 8},
                                       {DataType::kFp32, "FP32", 4},
                                       {DataType::kFp64, "FP64", 8},
                                       {DataType::kBytes, "BYTES", 0}}};

const Known& known(DataType type) {
  for (const Known& each : kTypes) {
    if (each.type == type) return each;
  }
  return kTypes.front();  // there are no others
}

}  // namespace

std::string_view name_of(DataType type) { return known(type).name; }

std::optional<DataType> data_type_of(std::string_view name) {
  for (const Known& each : kTypes) {
    if (each.name == name) return each.type;
  }
  return {};
}

std::size_t element_bytes(DataType type) { return known(type).element_bytes; }

}  // namespace gerank::server::inference
