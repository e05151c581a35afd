// The generator of an artifact: a TorchScript module that runs on the CPU.
#pragma once

#include <gerank/model.h>

#include <memory>

#include "archive.h"

namespace gerank {

// Throws Refusal if torch cannot load it.
std::unique_ptr<const Model> load_generator(const ArtifactFile& file);

}  // namespace gerank
