// One event as one line of text.
#pragma once

#include <gerank/export.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace gerank::server {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// One more fact of an event, for programs that read the log.
struct LogField {
  LogField(std::string_view name, std::string_view text) : name(name), text(text) {}
  LogField(std::string_view name, std::int64_t number)
      : name(name), text(std::to_string(number)), is_number(true) {}

  std::string_view name;
  std::string text;
  bool is_number = false;
};

// The word for a level: debug, info, warning, error.
GERANK_EXPORT std::string_view word_of(LogLevel level);

// The line, with its end. As text it is `LEVEL: MESSAGE`; as JSON an object with `time` (UTC),
// `level`, `event`, `message` and the fields. Control characters are escaped, and bytes that are no
// UTF-8 become U+FFFD, so that every event is one line and every line can be parsed.
std::string log_line(LogFormat format, LogLevel level, std::string_view event,
                     std::string_view message, std::initializer_list<LogField> fields);

}  // namespace gerank::server
