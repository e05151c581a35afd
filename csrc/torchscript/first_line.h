// What an exception of torch says to others: the rest is about torch's insides.
#pragma once

#include <c10/util/Exception.h>

#include <cstddef>
#include <exception>
#include <string>

namespace gerank {

inline std::string without_backtrace(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  return of_torch == nullptr ? error.what() : of_torch->what_without_backtrace();
}

inline std::string first_line(const std::exception& error) {
  const std::string text = without_backtrace(error);
  return text.substr(0, text.find('\n'));
}

// The reason, where the message of a module begins with where it failed.
inline std::string last_line(const std::exception& error) {
  std::string text = without_backtrace(error);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const std::size_t end = text.rfind('\n');
  return end == std::string::npos ? text : text.substr(end + 1);
}

}  // namespace gerank
