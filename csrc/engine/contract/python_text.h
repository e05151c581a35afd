// Values as Python's repr shows them, so that a message reads the same from every front.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gerank {

std::string repr(double value);
std::string repr(std::int64_t value);

// Quoted; what does not print, and bytes that are no UTF-8, are escaped.
std::string repr(std::string_view text);

// A list of strings: ['a', 'b'].
std::string repr(const std::vector<std::string_view>& texts);

// A number as Python's format code g: 0.001, 2, 1e+06; with a point in every locale of the host.
std::string general(double value, int digits = 6);

// At most `limit` characters (UTF-8 code points) of `text`, the last three of them dots if it is
// cut.
std::string cut(std::string_view text, std::size_t limit);

}  // namespace gerank
