#include "utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gerank::wire {
namespace {

// How many of the first bytes are ASCII; most texts are nothing else.
std::size_t ascii_prefix(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::size_t at = 0;
  for (std::uint64_t eight; at + 8 <= text.size(); at += 8) {
    std::memcpy(&eight, text.data() + at, 8);
    if (eight & kHighBits) break;
  }
  while (at < text.size() && std::uint8_t(text[at]) < 0x80) ++at;
  return at;
}

// The size of the character beyond ASCII that `text` begins with; 0 where it begins with none.
std::size_t character_size(std::string_view text) {
  constexpr char32_t kLowest[] = {0, 0, 0x80, 0x800, 0x10000};  // that needs so many bytes
  const auto first = std::uint8_t(text.front());
  const std::size_t size = first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (size == 0 || first > 0xf4 || text.size() < size) return 0;
  char32_t character = first & (0xff >> (size + 1));
  for (const char byte : text.substr(1, size - 1)) {
    if ((byte & 0xc0) != 0x80) return 0;
    character = character << 6 | (byte & 0x3f);
  }
  const bool surrogate = character >= 0xd800 && character <= 0xdfff;
  return character < kLowest[size] || surrogate || character > 0x10ffff ? 0 : size;
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (text.remove_prefix(ascii_prefix(text)); !text.empty();
       text.remove_prefix(ascii_prefix(text))) {
    const std::size_t size = character_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace gerank::wire
