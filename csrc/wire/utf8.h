#pragma once

#include <string_view>

namespace gerank::wire {

// Whether `text` is UTF-8 as Unicode defines it: no surrogates, nothing longer than it need be, and
// nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace gerank::wire
