// A feature's numbers as messages show them.
#pragma once

#include <cstddef>
#include <string>

#include "resolved_features.h"

namespace gerank {

// One number: 0.5.
std::string value_text(const Column& column, std::size_t row);

// The list of all: [0.5, 1.0]; a long one ends early, as messages do.
std::string list_text(const Column& column, std::size_t rows);

}  // namespace gerank
