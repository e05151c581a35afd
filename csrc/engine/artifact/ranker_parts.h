// What a Ranker is made of: for the engine, which runs batches of queries from many calls.
#pragma once

#include <gerank/contract.h>
#include <gerank/model.h>
#include <gerank/ranker.h>

#include <memory>
#include <string>
#include <string_view>

namespace gerank {

struct Ranker::Parts {
  Contract contract;
  std::string contract_json, model_version, manifest_json;
  std::string_view implementation = "custom", precision = "custom", wanted_precision = "custom";
  std::unique_ptr<const Model> model;
  std::string_view device = "custom";  // of `model`
};

}  // namespace gerank
