// Equal values among those of the candidates of one query, found without allocating.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "../../decode/limits.h"

namespace gerank {

// An open-addressing table of the indices of up to kMaxCandidates values.
class FirstIndices {
 public:
  FirstIndices() { slots_.fill(kFree); }

  // The index under which an equal value came before; `index` itself if there was none.
  // `value_of(i)` is the value with index i.
  template <typename ValueOf>
  std::size_t insert(std::size_t index, const ValueOf& value_of) {
    const auto value = value_of(index);
    // Fibonacci hashing spreads integers, whose std::hash is the identity.
    std::size_t at =
        (std::hash<std::remove_const_t<decltype(value)>>{}(value) * 0x9E3779B97F4A7C15u) >> kShift;
    for (; slots_[at] != kFree; at = (at + 1) % kSize) {
      if (value_of(slots_[at]) == value) return slots_[at];
    }
    slots_[at] = static_cast<std::uint16_t>(index);
    return index;
  }

 private:
  static constexpr std::size_t kSize = 2048;
  static constexpr int kShift = 64 - 11;
  static constexpr std::uint16_t kFree = 0xFFFF;
  static_assert(kSize >= 2 * kMaxCandidates && std::size_t{1} << (64 - kShift) == kSize);

  std::array<std::uint16_t, kSize> slots_;
};

// The first value that came before, as (its first index, its second); `count` at most
// kMaxCandidates.
template <typename ValueOf>
std::optional<std::pair<std::size_t, std::size_t>> first_duplicate(std::size_t count,
                                                                   const ValueOf& value_of) {
  FirstIndices seen;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t first = seen.insert(i, value_of);
    if (first != i) return std::pair{first, i};
  }
  return std::nullopt;
}

}  // namespace gerank
