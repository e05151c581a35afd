// Contract::check, and its part that a preset needs too.
#pragma once

#include <gerank/contract.h>
#include <gerank/query.h>
#include <gerank/status.h>

namespace gerank {

// Whether slots, spacing, quotas, weights and temperature of `query` fit the contract, whose
// `standard` is known: kInvalidArgument for the first that does not.
Status check_rules(const Contract& contract, const Query& query);

}  // namespace gerank
