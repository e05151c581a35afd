// Whether the numbers of a query's features are values of these features.
#pragma once

#include <gerank/status.h>

#include "resolved_features.h"

namespace gerank {

// Resolves the features of a side and checks their values. kInvalidArgument for the first that is
// missing, unknown or given twice, or whose value is none.
Status check_side(const Side& side, ResolvedFeatures* resolved);

}  // namespace gerank
