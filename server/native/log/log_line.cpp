#include "log_line.h"

#include <chrono>
#include <cstdio>
#include <ctime>

namespace gerank::server {
namespace {

// How many bytes the character at the front has; 0: they are no UTF-8 (RFC 3629).
std::size_t length_of_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? std::uint8_t(text[i]) : 0; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const int first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    const bool is_overlong = first == 0xe0 && second < 0xa0;
    const bool is_surrogate = first == 0xed && second >= 0xa0;
    return follows(1) && follows(2) && !is_overlong && !is_surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first < 0xf5) {
    const bool is_overlong = first == 0xf0 && second < 0x90;
    const bool is_beyond = first == 0xf4 && second >= 0x90;
    return follows(1) && follows(2) && follows(3) && !is_overlong && !is_beyond ? 4 : 0;
  }
  return 0;
}

// Appends `text` so that it stays on its line; `in_quotes`: so that it can stand in a JSON string.
void append_escaped(std::string_view text, bool in_quotes, std::string* line) {
  while (!text.empty()) {
    const std::size_t length = length_of_character(text);
    const char first = text.front();
    if (length == 0) {
      *line += "\xef\xbf\xbd";
    } else if ((first >= 0 && first < ' ') || first == '\x7f') {
      char coded[8];
      std::snprintf(coded, sizeof coded, "\\u%04x", unsigned(first));
      *line += coded;
    } else {
      if (in_quotes && (first == '"' || first == '\\')) *line += '\\';
      *line += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
}

void append_member(std::string_view name, std::string_view text, std::string* line) {
  *line += line->empty() ? "{\"" : ",\"";
  *line += name;
  *line += "\":\"";
  append_escaped(text, true, line);
  *line += '"';
}

// RFC 3339, in UTC, with microseconds.
std::string time_now() {
  using std::chrono::microseconds;
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t us = std::chrono::duration_cast<microseconds>(since).count();
  const std::time_t second = us / 1'000'000;
  std::tm parts{};
  gmtime_r(&second, &parts);
  char date[32], text[64];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text, sizeof text, "%s.%06dZ", date, int(us % 1'000'000));
  return text;
}

}  // namespace

std::string_view word_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

std::string log_line(LogFormat format, LogLevel level, std::string_view event,
                     std::string_view message, std::initializer_list<LogField> fields) {
  std::string line;
  if (format == LogFormat::kText) {
    line += word_of(level);
    line += ": ";
    append_escaped(message, false, &line);
    return line + "\n";
  }
  append_member("time", time_now(), &line);
  append_member("level", word_of(level), &line);
  append_member("event", event, &line);
  append_member("message", message, &line);
  for (const LogField& field : fields) {
    if (field.is_number) {
      line += ",\"" + std::string(field.name) + "\":" + field.text;
    } else {
      append_member(field.name, field.text, &line);
    }
  }
  return line + "}\n";
}

}  // namespace gerank::server
