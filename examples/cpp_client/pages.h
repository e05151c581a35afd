// Pages of a mock recommendation engine, as the messages that ask for their slates.
#pragma once

#include <istream>
#include <vector>

#include "gerank/v1/rerank.pb.h"
#include "wanted.h"

// Reads pages as examples/cpp_embed/write_pages.py writes them: one request of one query for each.
// Throws std::runtime_error where the text ends early.
std::vector<gerank::v1::RerankRequest> read_pages(std::istream& in, const Wanted& wanted);
