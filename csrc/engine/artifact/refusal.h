// Why a file is not taken, without its path.
#pragma once

#include <string>

namespace gerank {

// Unwinds to read_artifact, and no further.
struct Refusal {
  std::string message;
};

}  // namespace gerank
