// The generator of an artifact: a TorchScript module that runs on the CPU.
#pragma once

#include <gerank/model.h>
#include <gerank/status.h>

#include <memory>

#include "../engine/artifact/file_bytes.h"

namespace gerank {

// kFailedPrecondition if torch cannot load it.
Status load_generator(const ArtifactFile& file, std::unique_ptr<const Model>* model);

}  // namespace gerank
