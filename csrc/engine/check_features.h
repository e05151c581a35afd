// Whether the numbers of a query's features are values of these features.
#pragma once

#include <gerank/contract.h>
#include <gerank/query.h>
#include <gerank/status.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "resolved_features.h"

namespace gerank {

// The features of the user or of the candidates.
struct Side {
  const char* name;   // `user` or `candidates`
  const char* field;  // `user_features` or `candidate_features`
  const std::vector<Feature>& features;
  const std::vector<std::uint32_t>& by_name;
  std::span<const FeatureBlock> blocks;
  std::size_t rows;
};

// Resolves the features of a side and checks their values. kInvalidArgument for the first that is
// missing, unknown or given twice, or whose value is none.
Status check_side(const Side& side, ResolvedFeatures* resolved);

}  // namespace gerank
