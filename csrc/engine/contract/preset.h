// Presets: what a query asks for where it does not say otherwise.
#pragma once

#include <gerank/contract.h>
#include <gerank/query.h>
#include <gerank/status.h>

#include <cstdint>

#include "json.h"

namespace gerank {

// One row each of a batch's weights [U], spacing [K, 2] and quotas [Q, 2].
struct RuleRows {
  float* weights;
  std::int64_t* spacing;
  std::int64_t* quotas;
};

// Writes what `query` says of weights, spacing and quotas over what stands in the rows. The query
// was checked: its names are known.
void write_rules(const Contract& contract, const Query& query, const RuleRows& rows);

// That of a query which says nothing, by a contract whose limits and names are read.
Preset standard_preset(const Contract& contract);

// Reads `presets` of a manifest (see gerank/export/presets.py) into a contract that has everything
// else. kInvalidArgument names preset, field and value of what fits no query.
Status read_presets(const Json& presets, Contract* contract);

}  // namespace gerank
