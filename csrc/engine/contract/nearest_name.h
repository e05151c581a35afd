// The known name that somebody probably meant: difflib.get_close_matches(name, known, n=1) of
// Python.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace gerank {

// 2 * matching characters / all characters of both, as difflib.SequenceMatcher.ratio has it.
double similarity(std::string_view a, std::string_view b);

// The most similar of `known`, if its similarity is at least 0.6; among equals the last by byte
// order.
std::optional<std::string_view> nearest_name(std::string_view name,
                                             const std::vector<std::string_view>& known);

}  // namespace gerank
