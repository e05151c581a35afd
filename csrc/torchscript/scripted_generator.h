// The generator of an artifact by torch: its scripted module on the CPU, or what a device makes of
// it.
#pragma once

#include <gerank/model.h>
#include <gerank/ranker.h>
#include <gerank/status.h>

#include <memory>
#include <string_view>

#include "../engine/artifact/file_bytes.h"

namespace gerank {

// `page` is the page model of a stock artifact, which lies within `file` at a multiple of 64 bytes;
// empty: there is none. On the CPU the scripted module runs in any case.
//
// kInvalidArgument if this torch has no such device; kFailedPrecondition if it cannot load the
// module.
Status load_generator(const ArtifactFile& file, std::string_view page, Device device,
                      std::unique_ptr<const Model>* model);

}  // namespace gerank
