// Golden requests as torch pickles them: artifacts of format 1.
#pragma once

#include <gerank/status.h>

#include <string_view>

#include "../engine/artifact/golden_tensors.h"

namespace gerank {

Status read_pickled_golden(std::string_view content, GoldenTensors* tensors);

}  // namespace gerank
