// Names for calls whose callers gave them none.
#pragma once

#include <string>

namespace gerank::exposures {

// 32 hexadecimal digits, drawn anew for each call.
std::string drawn_request_id();

}  // namespace gerank::exposures
