#include "python_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace gerank {
namespace {

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// Bytes of the well-formed UTF-8 character at the front of `text`; 0 if there is none.
std::size_t character_bytes(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t size = lead < 0x80   ? 1
                           : lead < 0xC2 ? 0
                           : lead < 0xE0 ? 2
                           : lead < 0xF0 ? 3
                                         : 4;
  if (size == 0 || lead > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  return size;
}

void append_escaped(std::string& out, unsigned char byte) {
  char escape[5];
  std::snprintf(escape, sizeof escape, "\\x%02x", byte);
  out += escape;
}

void append_ascii(std::string& out, char character, char quote) {
  if (character == '\n') {
    out += "\\n";
  } else if (character == '\r') {
    out += "\\r";
  } else if (character == '\t') {
    out += "\\t";
  } else if (character == '\\' || character == quote) {
    out += '\\';
    out += character;
  } else if (character < 0x20 || character == 0x7F) {
    append_escaped(out, static_cast<unsigned char>(character));
  } else {
    out += character;
  }
}

}  // namespace

std::string repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char text[32] = {};  // ends with zeros, for atoi
  const auto scientific =
      std::to_chars(text, text + sizeof text - 1, value, std::chars_format::scientific);
  const std::string_view shortest(text, static_cast<std::size_t>(scientific.ptr - text));
  const int exponent = std::atoi(shortest.data() + shortest.find('e') + 1);
  if (exponent < -4 || exponent >= 16) return std::string(shortest);
  char plain[64];
  const auto fixed = std::to_chars(plain, plain + sizeof plain, value, std::chars_format::fixed);
  std::string out(plain, fixed.ptr);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

std::string repr(std::int64_t value) { return std::to_string(value); }

std::string repr(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  while (!text.empty()) {
    const std::size_t size = character_bytes(text);
    if (size == 1) {
      append_ascii(out, text[0], quote);
    } else if (size == 0) {
      append_escaped(out, static_cast<unsigned char>(text[0]));
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out + quote;
}

std::string repr(const std::vector<std::string_view>& texts) {
  std::string out = "[";
  for (const std::string_view text : texts) {
    if (out.size() > 1) out += ", ";
    out += repr(text);
  }
  return out + "]";
}

std::string general(double value, int digits) {
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::general, digits);
  return {text, end.ptr};
}

std::string cut(std::string_view text, std::size_t limit) {
  std::size_t characters = 0, kept = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_continuation(text[i])) continue;
    if (characters == limit - 3) kept = i;
    if (characters++ == limit) return std::string(text.substr(0, kept)) + "...";
  }
  return std::string(text);
}

}  // namespace gerank
