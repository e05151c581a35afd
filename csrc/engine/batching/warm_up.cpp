#include "warm_up.h"

#include <algorithm>

namespace gerank {

std::vector<std::size_t> warm_up_sizes(std::size_t max_batch) {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size < max_batch; size *= 2) sizes.push_back(size);
  sizes.push_back(max_batch);
  return sizes;
}

WarmUpQuery::WarmUpQuery(const Contract& contract) {
  constexpr std::int64_t kTypicalCandidates = 20;
  query_.candidate_count = std::min(kTypicalCandidates, contract.max_candidates);
  fill(contract.user, 1, &user_);
  fill(contract.candidate, static_cast<std::size_t>(query_.candidate_count), &candidates_);
  query_.user_features = user_.blocks;
  query_.candidate_features = candidates_.blocks;
}

void WarmUpQuery::fill(const std::vector<Feature>& features, std::size_t rows, Side* side) {
  for (const Feature& feature : features) {
    (feature.dense ? side->dense : side->ids).push_back(feature.name);
  }
  side->floats.resize(rows * side->dense.size());
  side->integers.resize(rows * side->ids.size());
  if (!side->dense.empty()) {
    side->blocks.push_back({side->dense, ColumnType::kFloat32, side->floats.data(),
                            side->floats.size() * sizeof(float)});
  }
  if (!side->ids.empty()) {
    side->blocks.push_back({side->ids, ColumnType::kInt64, side->integers.data(),
                            side->integers.size() * sizeof(std::int64_t)});
  }
}

}  // namespace gerank
