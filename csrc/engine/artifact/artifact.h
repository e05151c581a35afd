// Reads and checks the one file that is served.
#pragma once

#include <gerank/contract.h>
#include <gerank/model.h>
#include <gerank/status.h>

#include <memory>
#include <string>

namespace gerank {

struct Artifact {
  std::string manifest;  // gerank.json, as it lies in the file
  std::string model_version;
  Contract contract;
  std::unique_ptr<const Model> model;
};

// Format version, checksums, op schemas, contract, golden requests: the checks of
// gerank/export/artifact.py, in its order and words. kFailedPrecondition if one fails. May throw
// std::exception where memory runs out.
Status read_artifact(const std::string& path, Artifact* artifact);

}  // namespace gerank
