// One tensor of a call: its shape, and its elements wherever the message holds them.
#pragma once

#include <gerank/status.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "data_type.h"
#include "infer_fields.h"

namespace gerank::server::inference {

struct Tensor {
  std::string_view name;
  DataType type = DataType::kFp32;
  Shape shape;                        // 1 to Shape::kMostAxes axes, of at least 1 element each
  std::size_t size = 0;               // elements
  const std::byte* values = nullptr;  // of them, at any alignment; null with BYTES
  std::span<const std::string_view> texts;  // the elements of BYTES, which are UTF-8

  // The element at that place, if elements are of type T.
  template <typename T>
  T at(std::size_t place) const {
    T value;
    std::memcpy(&value, values + place * sizeof value, sizeof value);
    return value;
  }

  // The same of a BOOL, INT32, INT64 or UINT64 tensor; a number beyond 2^63 - 1 has its bits.
  std::int64_t whole_at(std::size_t place) const;

  // The same of an FP32 or FP64 tensor.
  double real_at(std::size_t place) const;
};

// `inputs.NAME.PART`, as messages name it.
std::string field_of(std::string_view tensor, std::string_view part);

// Reads one input; `raw` is its element of raw_input_contents, or null where there are none.
// kInvalidArgument names the tensor and what is wrong with it: a datatype that is not known, a
// parameter, a shape that does not fit the elements.
Status read_tensor(const InputFields& fields, const std::string_view* raw, Arena& arena,
                   Tensor* tensor);

}  // namespace gerank::server::inference
