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

// The features of one side of one query. Reuses its memory.
class ResolvedFeatures {
 public:
  // Finds every feature of the schema in `blocks`.
  //
  //   side   `user` or `candidates`; `field` is `user_features` or `candidate_features`: for
  //   messages rows   1 for the user, M for candidates
  Status resolve(std::string_view side, std::string_view field,
                 const std::vector<Feature>& features, std::span<const std::uint32_t> by_name,
                 std::span<const FeatureBlock> blocks, std::size_t rows);

  // Per feature of the schema.
  std::span<const Column> columns() const { return columns_; }

 private:
  std::vector<Column> columns_;
};

}  // namespace gerank
