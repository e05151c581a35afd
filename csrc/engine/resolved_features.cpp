#include "resolved_features.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "column_text.h"
#include "python_text.h"
#include "unknown_name.h"

namespace gerank {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

std::string place(std::string_view field, std::size_t index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

const char* type_name(ColumnType type) {
  return type == ColumnType::kFloat32   ? "float32_le"
         : type == ColumnType::kFloat64 ? "float64_le"
                                        : "int64_le";
}

Status check_block(std::string_view field, std::size_t index, const FeatureBlock& block,
                   std::size_t rows) {
  if (block.names.empty()) {
    return Status::invalid(place(field, index) + ".names", "[]", "must name at least one feature");
  }
  const std::size_t width = value_bytes(block.type);
  if (block.bytes % width != 0) {
    return Status::invalid(place(field, index) + "." + type_name(block.type),
                           repr(std::string_view(std::to_string(block.bytes) + " bytes")),
                           "must be whole numbers of " + std::to_string(width) + " bytes each");
  }
  const std::size_t count = block.bytes / width;
  // A division, since rows * names could overflow.
  if (count % block.names.size() == 0 && count / block.names.size() == rows) return {};
  std::string names;
  for (const std::string_view name : block.names) {
    if (names.size() > 200) break;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return Status::invalid(place(field, index) + " (" + names + ")",
                         repr(std::string_view(std::to_string(count) + " values")),
                         "must have " + std::to_string(rows) + " values of each of its features");
}

// The feature of that name; `guess` is tried first, since most callers keep the schema's order.
std::size_t find_feature(const std::vector<Feature>& features,
                         std::span<const std::uint32_t> by_name, std::string_view name,
                         std::size_t guess) {
  if (guess < features.size() && features[guess].name == name) return guess;
  const auto found = std::lower_bound(by_name.begin(), by_name.end(), name,
                                      [&](std::uint32_t index, std::string_view wanted) {
                                        return std::string_view(features[index].name) < wanted;
                                      });
  return found != by_name.end() && features[*found].name == name ? *found : kNone;
}

std::vector<std::string_view> sorted_names(std::span<const FeatureBlock> blocks) {
  std::vector<std::string_view> names;
  for (const FeatureBlock& block : blocks) {
    names.insert(names.end(), block.names.begin(), block.names.end());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status unknown_feature(std::string_view side, std::string_view name, const Column& column,
                       std::size_t rows, const std::vector<Feature>& features) {
  std::vector<std::string_view> known;
  for (const Feature& feature : features) known.push_back(feature.name);
  return unknown_name(std::string(side) + "." + std::string(name), list_text(column, rows),
                      "feature", name, std::move(known));
}

}  // namespace

Status ResolvedFeatures::resolve(std::string_view side, std::string_view field,
                                 const std::vector<Feature>& features,
                                 std::span<const std::uint32_t> by_name,
                                 std::span<const FeatureBlock> blocks, std::size_t rows) {
  columns_.assign(features.size(), Column{});
  Status unknown;  // told only if every block is sound
  std::size_t guess = 0;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const FeatureBlock& block = blocks[b];
    if (Status status = check_block(field, b, block, rows); !status) return status;
    const std::size_t width = value_bytes(block.type);
    Column column{static_cast<const std::byte*>(block.values), width * block.names.size(),
                  block.type};
    for (const std::string_view name : block.names) {
      const std::size_t feature = find_feature(features, by_name, name, guess);
      if (feature == kNone) {
        if (unknown) unknown = unknown_feature(side, name, column, rows, features);
      } else if (columns_[feature].first != nullptr) {
        return Status::invalid(place(field, b) + ".names", repr(name),
                               "the feature is given twice");
      } else {
        columns_[feature] = column;
        guess = feature + 1;
      }
      column.first += width;
    }
  }
  if (!unknown) return unknown;
  for (std::size_t f = 0; f < features.size(); ++f) {
    if (columns_[f].first == nullptr) {
      return Status::invalid(std::string(side) + "." + features[f].name, repr(sorted_names(blocks)),
                             "the feature is missing");
    }
  }
  return {};
}

}  // namespace gerank
