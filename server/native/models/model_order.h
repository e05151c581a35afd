// What is asked of the models of a server, and what comes of it.
#pragma once

#include <gerank/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "contract_difference.h"

namespace gerank::server {

// One artifact that is to answer under a name.
struct LoadOrder {
  std::string name;  // empty: the model of calls that name none
  std::string path;
  bool keep_current = false;             // the current version stays current
  bool keep_old = false;                 // it stays published, for make_current() and splits
  bool dry_run = false;                  // nothing is published
  bool allow_breaking_contract = false;  // also where today's callers would be refused
};

struct LoadOutcome {
  Status status;
  std::string name;              // under which the artifact is published, or would have been
  std::string version;           // of the artifact, where it could be read
  std::string implementation;    // what computes its slates: see Ranker::implementation
  std::string precision;         // the one that runs: see Ranker::precision
  std::string previous_version;  // that was current; empty: none was
  bool current = false;          // the artifact answers calls that name no version
  bool previous_published = false;
  std::vector<ContractDifference> differences;  // from the contract that was current
};

// One arm of a split, as it is asked for.
struct ArmOrder {
  std::string arm;
  std::string version;
  std::uint64_t weight = 0;
};

// Whether a text may be the name of a model or of an arm: 1 to 128 printable ASCII characters
// without blanks and `=`. kInvalidArgument names the field.
Status check_name(std::string_view field, std::string_view name);

// Whether the arms make a split by themselves: their names differ, each weight is in [1, 1000000],
// and there are at most 100. kInvalidArgument names the field.
Status check_arms(const std::vector<ArmOrder>& arms);

}  // namespace gerank::server
