// What a server asks of a query, as it tells it itself.
#pragma once

#include <string>
#include <vector>

#include "gerank/v1/rerank.pb.h"

// The features of the user, or of the candidates, by type: the names of one block each.
struct Side {
  std::vector<std::string> dense, ids;
};

struct Wanted {
  Side user, candidate;
};

// Reads DescribeResponse.contract_json. Throws std::runtime_error if it is not JSON.
Wanted read_wanted(const gerank::v1::DescribeResponse& description);
