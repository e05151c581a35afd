// Numbers of a query within their limits.
#pragma once

#include <gerank/status.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "python_text.h"

namespace gerank {

// An element of a list, as messages name it: `spacing[2]`.
inline std::string item(const std::string& list, std::size_t index) {
  return list + "[" + std::to_string(index) + "]";
}

// The texts of a field are made only when it is wrong: fields are checked far more often than
// shown.
template <typename Field>
Status check_integer(const Field& field, std::int64_t value, std::int64_t low, std::int64_t high,
                     const char* what = "") {
  if (value >= low && value <= high) return {};
  return Status::invalid(
      field(), repr(value),
      std::string(what) + "must be an integer in [" + repr(low) + ", " + repr(high) + "]");
}

template <typename Field>
Status check_real(const Field& field, double value, double low, double high) {
  if (value >= low && value <= high) return {};  // false for NaN too
  return Status::invalid(field(), repr(value),
                         "must be a number in [" + general(low) + ", " + general(high) + "]");
}

}  // namespace gerank
