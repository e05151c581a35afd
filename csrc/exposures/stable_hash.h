// A hash of texts that every process, machine and version computes alike.
#pragma once

#include <cstdint>
#include <string_view>

namespace gerank::exposures {

inline constexpr std::uint64_t kHashBasis = 0xCBF29CE484222325;

// FNV-1a, as gerank.data.feature hashes ids. The hash of a text that follows another one begins
// with the other's.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t state = kHashBasis) {
  for (const char byte : text) state = (state ^ std::uint8_t(byte)) * 0x100000001B3;
  return state;
}

// The mixing of MurmurHash3: FNV's own upper bits hardly depend on the last characters.
constexpr std::uint64_t mixed(std::uint64_t state) {
  state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD;
  state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53;
  return state ^ state >> 33;
}

}  // namespace gerank::exposures
