// From a plan's capacity to a template argument.
#pragma once

#include <type_traits>

#include "../../decode/limits.h"

namespace gerank::cuda {

// Calls `action` with an integral_constant. Double, which checks gradients and is not in a hurry,
// has the largest capacity alone.
template <typename scalar_t, typename Action>
auto with_capacity(int capacity, Action action) {
  if constexpr (std::is_same_v<scalar_t, float>) {
    if (capacity == 32) return action(std::integral_constant<int, 32>());
    if (capacity == 128) return action(std::integral_constant<int, 128>());
  }
  return action(std::integral_constant<int, kMaxCandidates>());
}

}  // namespace gerank::cuda
