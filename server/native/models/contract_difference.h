// What another artifact under a name would refuse of today's callers.
#pragma once

#include <gerank/contract.h>

#include <string>
#include <vector>

namespace gerank::server {

// One thing that callers may send, or leave out, today and could not any more.
struct ContractDifference {
  std::string field;  // as a refusal would name it: `candidates.price`, `weights.clicks`
  std::string rule;   // what has changed, as the end of a sentence about it
};

// Every way in which a query that `now` takes can be refused by `next`, in the order of `now`.
// `unknown` is what becomes of features that a model lacks.
std::vector<ContractDifference> contract_differences(const Contract& now, const Contract& next,
                                                     UnknownFeatures unknown);

// The differences in one line, `user.age: the feature is gone; slots: ...`: as many as fit into the
// trailers of an answer, and how many more there are.
std::string line_of(const std::vector<ContractDifference>& differences);

}  // namespace gerank::server
