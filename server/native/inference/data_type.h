// The datatypes that tensors of the Open Inference Protocol have here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gerank::server::inference {

// The numbers are those of inference.DataType.
enum class DataType : std::uint8_t {
  kBool = 1,
  kUint64 = 5,
  kInt32 = 8,
  kInt64 = 9,
  kFp32 = 11,
  kFp64 = 12,
  kBytes = 13,
};

// As the protocol spells it: "FP32".
std::string_view name_of(DataType type);

// Nothing where no tensor here has it.
std::optional<DataType> data_type_of(std::string_view name);

// The bytes of one element; 0 of BYTES, whose elements differ.
std::size_t element_bytes(DataType type);

}  // namespace gerank::server::inference
