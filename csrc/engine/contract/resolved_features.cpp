#include "resolved_features.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <string_view>

#include "column_text.h"
#include "python_text.h"
#include "unknown_name.h"

namespace gerank {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);
constexpr std::uint32_t kIgnored = static_cast<std::uint32_t>(-1);

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

std::uint64_t new_names_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

Side user_side(const Contract& contract, const Query& query, UnknownFeatures unknown) {
  return {"user",
          "user_features",
          contract.id,
          contract.user,
          contract.user_by_name,
          query.user_features,
          1,
          unknown};
}

Side candidate_side(const Contract& contract, const Query& query, UnknownFeatures unknown) {
  return {"candidates",
          "candidate_features",
          contract.id,
          contract.candidate,
          contract.candidate_by_name,
          query.candidate_features,
          static_cast<std::size_t>(query.candidate_count),
          unknown};
}

Side above_side(const Contract& contract, const Query& query, UnknownFeatures unknown) {
  return {"above",
          "above.features",
          contract.id,
          contract.above,
          contract.above_by_name,
          query.above.features,
          static_cast<std::size_t>(query.above.count),
          unknown};
}

Status ResolvedFeatures::resolve(const Side& side) {
  if (knows(side)) return place_known(side);
  names_ids_.clear();
  found_.clear();
  absent_.clear();
  ignored_ = 0;
  Status status = find(side);
  if (!status) return status;
  contract_id_ = side.contract_id;
  for (const FeatureBlock& block : side.blocks) names_ids_.push_back(block.names_id);
  return status;
}

bool ResolvedFeatures::knows(const Side& side) const {
  if (side.contract_id == 0 || side.contract_id != contract_id_) return false;
  if (side.blocks.size() != names_ids_.size()) return false;
  if (ignored_ > 0 && side.unknown == UnknownFeatures::kRefuse) return false;
  std::size_t names = 0;
  for (std::size_t b = 0; b < side.blocks.size(); ++b) {
    if (side.blocks[b].names_id == 0 || side.blocks[b].names_id != names_ids_[b]) return false;
    names += side.blocks[b].names.size();
  }
  return names > 0 && names == found_.size();  // a caller may break its word
}

Status ResolvedFeatures::place_known(const Side& side) {
  const std::uint32_t* feature = found_.data();
  for (std::size_t b = 0; b < side.blocks.size(); ++b) {
    const FeatureBlock& block = side.blocks[b];
    if (Status status = check_block(side.field, b, block, side.rows); !status) return status;
    const std::size_t width = value_bytes(block.type), stride = width * block.names.size();
    const auto* first = static_cast<const std::byte*>(block.values);
    for (std::size_t j = 0; j < block.names.size(); ++j) {
      if (*feature != kIgnored) columns_[*feature] = Column{first + j * width, stride, block.type};
      ++feature;
    }
  }
  place_defaults(side);
  return {};
}

// The value lies in the contract, which outlives what is made of this query.
void ResolvedFeatures::place_defaults(const Side& side) {
  for (const std::uint32_t f : absent_) {
    const Feature& feature = side.features[f];
    const void* value = feature.dense ? static_cast<const void*>(&feature.dense_default)
                                      : static_cast<const void*>(&feature.id_default);
    columns_[f] = Column{static_cast<const std::byte*>(value), 0,
                         feature.dense ? ColumnType::kFloat32 : ColumnType::kInt64};
  }
}

Status ResolvedFeatures::find(const Side& side) {
  const std::vector<Feature>& features = side.features;
  columns_.assign(features.size(), Column{});
  Status unknown;  // told only if every block is sound
  std::size_t guess = 0;
  for (std::size_t b = 0; b < side.blocks.size(); ++b) {
    const FeatureBlock& block = side.blocks[b];
    if (Status status = check_block(side.field, b, block, side.rows); !status) return status;
    const std::size_t width = value_bytes(block.type);
    Column column{static_cast<const std::byte*>(block.values), width * block.names.size(),
                  block.type};
    for (const std::string_view name : block.names) {
      const std::size_t feature = find_feature(features, side.by_name, name, guess);
      if (feature == kNone && side.unknown == UnknownFeatures::kIgnore) {
        found_.push_back(kIgnored);
        ++ignored_;
      } else if (feature == kNone) {
        if (unknown) unknown = unknown_feature(side.name, name, column, side.rows, features);
      } else if (columns_[feature].first != nullptr) {
        return Status::invalid(place(side.field, b) + ".names", repr(name),
                               "the feature is given twice");
      } else {
        columns_[feature] = column;
        found_.push_back(static_cast<std::uint32_t>(feature));
        guess = feature + 1;
      }
      column.first += width;
    }
  }
  if (!unknown) return unknown;
  for (std::size_t f = 0; f < features.size(); ++f) {
    if (columns_[f].first != nullptr) continue;
    if (features[f].optional) {
      absent_.push_back(static_cast<std::uint32_t>(f));
    } else {
      return Status::invalid(std::string(side.name) + "." + features[f].name,
                             repr(sorted_names(side.blocks)), "the feature is missing");
    }
  }
  place_defaults(side);
  return {};
}

}  // namespace gerank
