#include "unknown_name.h"

#include <algorithm>
#include <string>

#include "nearest_name.h"
#include "python_text.h"

namespace gerank {

Status unknown_name(std::string_view field, std::string_view value, std::string_view what,
                    std::string_view name, std::vector<std::string_view> known) {
  const std::string rule = "unknown " + std::string(what);
  if (const auto nearest = nearest_name(name, known)) {
    return Status::invalid(field, value, rule + ", the nearest is " + repr(*nearest));
  }
  constexpr std::size_t kMostListed = 16;
  std::sort(known.begin(), known.end());
  std::string rest;
  if (known.size() > kMostListed) {
    rest = " and " + std::to_string(known.size() - kMostListed) + " more";
    known.resize(kMostListed);
  }
  return Status::invalid(field, value, rule + ", known are " + repr(known) + rest);
}

}  // namespace gerank
