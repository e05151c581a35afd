#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <system_error>
#include <variant>

#include "../models/model_order.h"
#include "option_table.h"

namespace gerank::server {
namespace {

// The number's shortest text that is read as the same number.
std::string text_of(double number) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() ? std::string(digits.data(), end) : "nan";
}

std::string shown(const OptionValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* yes = std::get_if<bool>(&value)) return *yes ? "true" : "false";
  if (const auto* real = std::get_if<double>(&value)) return text_of(*real);
  if (const auto* models = std::get_if<std::vector<ModelFile>>(&value)) {
    std::string text;
    for (const ModelFile& model : *models) {
      text += (text.empty() ? "" : ", ") + model.name + "='" + model.path + "'";
    }
    return "{" + text + "}";
  }
  return "'" + std::get<std::string>(value) + "'";
}

std::string joined(const std::vector<std::string>& words) {
  std::string out = words.front();
  for (std::size_t i = 1; i < words.size(); ++i) {
    out += (i + 1 == words.size() ? " or " : ", ") + words[i];
  }
  return out;
}

// Names are told to callers, and stand before = on a command line.
Status check_models(const std::vector<ModelFile>& models) {
  for (std::size_t i = 0; i < models.size(); ++i) {
    const ModelFile& model = models[i];
    if (Status status = check_name("models", model.name); !status) return status;
    if (model.path.empty()) {
      return Status::invalid("models." + model.name, "''", "must be the file of an artifact");
    }
    if (model.name == kDefaultModel) {
      return Status::invalid("models." + model.name, "'" + model.path + "'",
                             "is told by the option model");
    }
    const auto same = [&](const ModelFile& other) { return other.name == model.name; };
    if (std::count_if(models.begin(), models.end(), same) > 1) {
      return Status::invalid("models." + model.name, "'" + model.path + "'",
                             "another artifact has this name too");
    }
  }
  return {};
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
    case Option::Kind::kReal: {
      const auto* whole = std::get_if<std::int64_t>(&value);
      const auto* real = std::get_if<double>(&value);
      const double number = whole ? double(*whole) : real ? *real : -1;
      if (number >= double(option.range.low) && number <= double(option.range.high)) return {};
      return wrong("must be a number in [" + std::to_string(option.range.low) + ", " +
                   std::to_string(option.range.high) + "]");
    }
    case Option::Kind::kModels: {
      const auto* models = std::get_if<std::vector<ModelFile>>(&value);
      if (models == nullptr) return wrong(kMustBeModels);
      return check_models(*models);
    }
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
    return Status::invalid(name, shown(value), kNoOption);
  }
  if (Status status = check(*option, value); !status) return status;
  const auto* const whole = std::get_if<std::int64_t>(&value);
  const bool is_real = option->kind() == Option::Kind::kReal;
  option->set(*options, is_real && whole ? OptionValue(double(*whole)) : value);
  return {};
}

Status set_option_text(std::string_view name, const std::string& text, ServerOptions* options) {
  const Option* const option = find_option(name);
  if (option == nullptr || option->kind() == Option::Kind::kText) {
    return set_option(name, text, options);
  }
  if (option->kind() == Option::Kind::kReal) {
    double real = 0;
    const char* const last = text.data() + text.size();
    const auto [at, wrong] = std::from_chars(text.data(), last, real);
    return set_option(name, wrong == std::errc() && at == last ? OptionValue(real) : text, options);
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
