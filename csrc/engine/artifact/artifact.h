// Reads and checks the one file that is served.
#pragma once

#include <gerank/contract.h>
#include <gerank/model.h>
#include <gerank/ranker.h>
#include <gerank/status.h>

#include <memory>
#include <string>

namespace gerank {

struct Artifact {
  std::string manifest;  // gerank.json, as it lies in the file
  std::string model_version;
  Contract contract;
  Implementation implementation = Implementation::kNative;  // of `model`, as is the next
  Precision precision = Precision::kFloat32;
  Precision wanted_precision = Precision::kFloat32;
  std::unique_ptr<const Model> model;
};

// Format version, checksums, contract, page model or op schemas, golden requests, which are
// answered in float32 whatever `model` computes in. kFailedPrecondition if one fails. May throw
// std::exception where memory runs out.
Status read_artifact(const std::string& path, const ModelOptions& options, Artifact* artifact);

}  // namespace gerank
