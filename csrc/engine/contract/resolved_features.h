// Which feature each name of a query's blocks means, and where its numbers lie.
#pragma once

#include <gerank/contract.h>
#include <gerank/query.h>
#include <gerank/status.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace gerank {

inline std::size_t value_bytes(ColumnType type) { return type == ColumnType::kFloat32 ? 4 : 8; }

// A number at any alignment.
template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// One feature's numbers of one query, [rows].
struct Column {
  const std::byte* first = nullptr;
  std::size_t stride = 0;  // bytes from row to row
  ColumnType type = ColumnType::kFloat32;

  template <typename T>
  T at(std::size_t row) const {
    return load<T>(first + row * stride);
  }
};

// The features of the user, of the candidates or of the slots above, and what a query gives for
// them.
struct Side {
  const char* name;   // `user`, `candidates` or `above`
  const char* field;  // `user_features`, `candidate_features` or `above.features`
  std::uint64_t contract_id;
  const std::vector<Feature>& features;
  const std::vector<std::uint32_t>& by_name;
  std::span<const FeatureBlock> blocks;
  std::size_t rows;
  UnknownFeatures unknown;
};

Side user_side(const Contract& contract, const Query& query, UnknownFeatures unknown);
Side candidate_side(const Contract& contract, const Query& query, UnknownFeatures unknown);
Side above_side(const Contract& contract, const Query& query, UnknownFeatures unknown);

// The features of one side of one query after the other. Reuses its memory, and what it learned
// about names that have an id.
class ResolvedFeatures {
 public:
  // Finds every feature of the schema in the side's blocks; an optional one that is not there has
  // its default in every row.
  Status resolve(const Side& side);

  // Per feature of the schema.
  std::span<const Column> columns() const { return columns_; }

  // How many names of the blocks are of no feature of the schema.
  std::size_t ignored() const { return ignored_; }

 private:
  // Whether the blocks have the names that were found last.
  bool knows(const Side& side) const;

  // From the features that were found last.
  Status place_known(const Side& side);

  Status find(const Side& side);
  void place_defaults(const Side& side);

  std::vector<Column> columns_;
  std::uint64_t contract_id_ = 0;
  std::vector<std::uint64_t> names_ids_;  // of the blocks whose names were found last
  std::vector<std::uint32_t> found_;      // the feature of each of those names, or kIgnored
  std::vector<std::uint32_t> absent_;     // optional features that those names lack
  std::size_t ignored_ = 0;
};

}  // namespace gerank
