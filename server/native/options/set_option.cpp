#include <algorithm>
#include <charconv>
#include <system_error>
#include <variant>

#include "option_table.h"

namespace gerank::server {
namespace {

std::string shown(const OptionValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* yes = std::get_if<bool>(&value)) return *yes ? "true" : "false";
  return "'" + std::get<std::string>(value) + "'";
}

std::string joined(const std::vector<std::string>& words) {
  std::string out = words.front();
  for (std::size_t i = 1; i < words.size(); ++i) {
    out += (i + 1 == words.size() ? " or " : ", ") + words[i];
  }
  return out;
}

Status check(const Option& option, const OptionValue& value) {
  const auto wrong = [&](const std::string& rule) {
    return Status::invalid(option.name, shown(value), rule);
  };
  switch (option.kind()) {
    case Option::Kind::kNumber: {
      const auto* number = std::get_if<std::int64_t>(&value);
      if (number == nullptr) return wrong("must be an integer");
      return option.range.check(option.name.c_str(), *number);
    }
    case Option::Kind::kToggle:
      return std::holds_alternative<bool>(value) ? Status() : wrong("must be true or false");
    case Option::Kind::kText:
      break;
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return wrong("must be a text");
  const bool may_be_empty = option.get({}) != OptionValue(std::string());  // told elsewhere
  if (text->empty() && !may_be_empty) return wrong("must not be empty");
  const auto& words = option.words;
  if (words.empty() || std::find(words.begin(), words.end(), *text) != words.end()) return {};
  return wrong("must be " + joined(words));
}

}  // namespace

Status set_option(std::string_view name, const OptionValue& value, ServerOptions* options) {
  const Option* const option = find_option(name);
  if (option == nullptr) {
    return Status::invalid(name, shown(value), "is no option of the server");
  }
  if (Status status = check(*option, value); !status) return status;
  option->set(*options, value);
  return {};
}

Status set_option_text(std::string_view name, const std::string& text, ServerOptions* options) {
  const Option* const option = find_option(name);
  if (option == nullptr || option->kind() != Option::Kind::kNumber) {
    return set_option(name, text, options);
  }
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && stop == end) return set_option(name, number, options);
  return Status::invalid(
      name, "'" + text + "'",
      error == std::errc::result_out_of_range ? "must be a 64-bit integer" : "must be an integer");
}

}  // namespace gerank::server
