// What an exception of torch says to others: the rest is about torch's insides.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

namespace gerank {

inline std::string first_line(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = of_torch == nullptr ? error.what() : of_torch->what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

}  // namespace gerank
