// A tensor of features as the engine reads features.
#pragma once

#include <gerank/contract.h>
#include <gerank/query.h>
#include <gerank/status.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tensor.h"

namespace gerank::server::inference {

// The features of one side of a contract.
struct FeatureSide {
  std::string_view name;  // `user`, `candidates` or `above`
  const std::vector<Feature>& features;
  const std::vector<std::uint32_t>& by_name;

  // The feature of that name; null where there is none.
  const Feature* find(std::string_view feature) const;
};

struct FeatureTensor {
  std::span<const std::string_view> names;  // [W]
  ColumnType type = ColumnType::kFloat32;
  const std::byte* values = nullptr;  // row by row, at any alignment
  std::size_t row_bytes = 0;          // W values

  // So many rows from one on, as a block of the engine.
  FeatureBlock block(std::size_t first, std::size_t rows) const {
    return {names, type, values + first * row_bytes, rows * row_bytes};
  }
};

// Reads the tensor of the feature `name`. With a width of more than 1, its last axis, it is of the
// features NAME_0, NAME_1 and so on, as a vector's columns are called: all of them must be known.
//
// Numbers stay where they are, but for BOOL and INT32, which become int64. Texts are hashed as
// gerank.data.feature.hash_id does; kInvalidArgument where a feature is known that takes none.
// Whether the features are known, all there, and of their kind is for the engine to check.
Status read_feature(const FeatureSide& side, std::string_view name, const Tensor& tensor,
                    std::size_t width, Arena& arena, FeatureTensor* feature);

}  // namespace gerank::server::inference
