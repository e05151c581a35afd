#include "header_coding.h"

#include <cstddef>
#include <cstdint>

namespace gerank::server {

std::string percent_coded(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string coded;
  coded.reserve(text.size());
  for (const char each : text) {
    const auto byte = std::uint8_t(each);
    if (byte >= ' ' && byte <= '~' && byte != '%') {
      coded.push_back(each);
    } else {
      coded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return coded;
}

std::string base64_coded(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string coded;
  coded.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int waiting = 0;  // bits that were not written yet
  for (const char each : bytes) {
    bits = bits << 8 | std::uint8_t(each);
    for (waiting += 8; waiting >= 6; waiting -= 6) {
      coded.push_back(kDigits[bits >> (waiting - 6) & 63]);
    }
  }
  if (waiting > 0) coded.push_back(kDigits[bits << (6 - waiting) & 63]);
  return coded;
}

}  // namespace gerank::server
