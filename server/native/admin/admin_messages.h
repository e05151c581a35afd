// The messages of gerank.v1.AdminService.
#pragma once

#include <gerank/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "../models/model_catalog.h"

namespace gerank::server {

// A MakeCurrentRequest or a RetireRequest.
struct VersionRequest {
  std::string name, version;
};

// A SetSplitRequest.
struct SplitRequest {
  std::string name;
  std::vector<ArmOrder> arms;
};

// Each reads the message of that name: kInvalidArgument where the bytes are none.
Status read_load_request(std::string_view message, LoadOrder* order);
Status read_make_current_request(std::string_view message, VersionRequest* request);
Status read_retire_request(std::string_view message, VersionRequest* request);
Status read_split_request(std::string_view message, SplitRequest* request);

std::string write_load_response(const LoadOutcome& outcome);
std::string write_make_current_response(const LoadOutcome& outcome);
std::string write_list_response(const std::vector<ListedModel>& models,
                                const std::vector<RefusedLoad>& refused);
std::string write_split_response(const SplitRequest& request);

}  // namespace gerank::server
