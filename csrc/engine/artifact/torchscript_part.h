// The part of the engine that needs torch, a library of its own: it is loaded when an artifact asks
// for it, so that a process that serves stock artifacts alone never has torch in it.
#pragma once

#include <gerank/model.h>
#include <gerank/ranker.h>
#include <gerank/status.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "file_bytes.h"
#include "golden_tensors.h"

namespace gerank {

// What libgerank_torchscript exports under the name gerank_torchscript_part. No function throws.
struct TorchScriptPart {
  // The gerank that it belongs to. Another one may have another table behind this first member.
  const char* version;

  // Why the torch of this process is not the right one; empty if it is.
  std::string (*mismatch)();

  // The schema of an op as it is loaded; empty if there is no such op.
  std::string (*op_schema)(const std::string& name);

  // kFailedPrecondition, in the words of a Refusal, where the file is not what it must be.
  Status (*unpack)(const ArtifactFile& file,
                   std::map<std::string, std::string, std::less<>>* records);
  Status (*read_pickled_golden)(std::string_view content, GoldenTensors* tensors);

  // `page` is the page model of a stock artifact, at a multiple of 64 bytes of `file`, or empty.
  // kInvalidArgument if torch has no such device.
  Status (*load_generator)(const ArtifactFile& file, std::string_view page, Device device,
                           std::unique_ptr<const Model>* model);

  // What models print is lost from now on.
  void (*drop_prints)();
};

// Loads the library that lies beside this one. Throws Refusal, with what the system's loader says,
// where it cannot be loaded or belongs to another gerank. Thread-safe.
const TorchScriptPart& torchscript_part();

}  // namespace gerank
