// Golden requests and their answers as plain arrays, by name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "file_bytes.h"

namespace gerank {

enum class GoldenType { kFloat, kInt64, kBool };

struct GoldenTensor {
  GoldenType type = GoldenType::kFloat;
  std::vector<std::int64_t> shape;
  std::shared_ptr<FileBytes> values;  // row-major; a bool is 0 or 1
};

using GoldenTensors = std::map<std::string, GoldenTensor, std::less<>>;

// Reads the safetensors format (https://github.com/huggingface/safetensors): the length of a JSON
// header, the header, the numbers. Throws Refusal where `content` is malformed.
GoldenTensors read_safetensors(std::string_view content);

}  // namespace gerank
