// The error for a name that nobody knows; it suggests the nearest one.
#pragma once

#include <gerank/status.h>

#include <string_view>
#include <vector>

namespace gerank {

// `what` is what the name should name: "feature". `value` as in Status::invalid.
Status unknown_name(std::string_view field, std::string_view value, std::string_view what,
                    std::string_view name, std::vector<std::string_view> known);

}  // namespace gerank
