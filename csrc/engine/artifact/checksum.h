// CRC-32 as zip and zlib have it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace gerank {

inline std::uint32_t crc32(const void* bytes, std::size_t size) {
  static const auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t sum = byte;
      for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) ? 0xEDB88320u : 0);
      table[byte] = sum;
    }
    return table;
  }();
  std::uint32_t sum = ~0u;
  const auto* at = static_cast<const unsigned char*>(bytes);
  for (std::size_t i = 0; i < size; ++i) sum = (sum >> 8) ^ kTable[(sum ^ at[i]) & 0xFF];
  return ~sum;
}

}  // namespace gerank
