#include "check_features.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "check_number.h"
#include "column_text.h"
#include "python_text.h"

namespace gerank {
namespace {

// An exponent of ones carries into the sign when one is added to it.
bool all_finite(const std::byte* values, std::size_t count) {
  constexpr std::uint32_t kMagnitude = 0x7FFFFFFF, kExponentOne = 0x00800000, kSign = 0x80000000;
  std::uint32_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    found |= (load<std::uint32_t>(values + 4 * i) & kMagnitude) + kExponentOne;
  }
  return (found & kSign) == 0;
}

bool good_dense(const Column& column, std::size_t row) {
  switch (column.type) {
    case ColumnType::kFloat32:
      return std::isfinite(column.at<float>(row));
    case ColumnType::kFloat64:
      return std::isfinite(static_cast<float>(column.at<double>(row)));
    case ColumnType::kInt64:
      return true;
  }
  return false;
}

bool good_id(const Feature& feature, const Column& column, std::size_t row) {
  const auto id = column.at<std::int64_t>(row);
  return feature.hashed || (id >= 0 && id < feature.vocabulary);
}

std::string rule_of(const Feature& feature) {
  if (feature.dense) return "must be a finite float32";
  if (feature.hashed) return "must be a 64-bit integer or a string";
  return "must be an id in [0, " + repr(feature.vocabulary - 1) + "]";
}

Status check_kind(const std::string& side, bool dense, const std::vector<Feature>& features,
                  std::span<const Column> columns, std::size_t rows) {
  for (std::size_t f = 0; f < features.size(); ++f) {
    if (features[f].dense != dense || dense || columns[f].type == ColumnType::kInt64) continue;
    return Status::invalid(side + "." + features[f].name, list_text(columns[f], rows),
                           "must be 64-bit integers");
  }
  for (std::size_t f = 0; f < features.size(); ++f) {
    if (features[f].dense != dense) continue;
    for (std::size_t row = 0; row < rows; ++row) {
      if (dense ? good_dense(columns[f], row) : good_id(features[f], columns[f], row)) continue;
      const std::string path = side == "user" ? "user" : item(side, row);
      return Status::invalid(path + "." + features[f].name, value_text(columns[f], row),
                             rule_of(features[f]));
    }
  }
  return {};
}

// Whether the numbers of float32 blocks are finite, block by block: they are most of a query.
bool all_float32_finite(std::span<const FeatureBlock> blocks) {
  return std::all_of(blocks.begin(), blocks.end(), [](const FeatureBlock& block) {
    return block.type != ColumnType::kFloat32 ||
           all_finite(static_cast<const std::byte*>(block.values), block.bytes / 4);
  });
}

bool values_are_good(const std::vector<Feature>& features, std::span<const Column> columns,
                     std::span<const FeatureBlock> blocks, std::size_t rows) {
  for (std::size_t f = 0; f < features.size(); ++f) {
    const Feature& feature = features[f];
    const ColumnType type = columns[f].type;
    if (feature.dense ? type != ColumnType::kFloat64
                      : (feature.hashed && type == ColumnType::kInt64))
      continue;
    if (!feature.dense && type != ColumnType::kInt64) return false;
    for (std::size_t row = 0; row < rows; ++row) {
      if (!(feature.dense ? good_dense(columns[f], row) : good_id(feature, columns[f], row))) {
        return false;
      }
    }
  }
  return all_float32_finite(blocks);
}

Status check_values(const Side& side, std::span<const Column> columns) {
  if (values_are_good(side.features, columns, side.blocks, side.rows)) return {};
  Status status = check_kind(side.name, true, side.features, columns, side.rows);
  return status ? check_kind(side.name, false, side.features, columns, side.rows) : status;
}

}  // namespace

Status check_side(const Side& side, ResolvedFeatures* resolved) {
  Status status = resolved->resolve(side);
  return status ? check_values(side, resolved->columns()) : status;
}

}  // namespace gerank
