// Prints the table of options as JSON: the build's own program, whose output Python reads.

#include <cstdio>
#include <exception>
#include <sstream>
#include <string>

#include "option_table.h"

namespace {

using gerank::server::Option;

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string value_of(const gerank::server::OptionValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* yes = std::get_if<bool>(&value)) return *yes ? "true" : "false";
  if (std::holds_alternative<std::vector<gerank::server::ModelFile>>(value)) return "{}";
  if (const auto* real = std::get_if<double>(&value)) {
    std::ostringstream out;
    out << std::showpoint << *real;
    return out.str();
  }
  return quoted(std::get<std::string>(value));
}

void print(const Option& option, bool is_last) {
  std::string line = "  {\"name\": " + quoted(option.name) +
                     ", \"default\": " + value_of(option.get({})) +
                     ", \"description\": " + quoted(option.description);
  if (option.kind() == Option::Kind::kNumber || option.kind() == Option::Kind::kReal) {
    line += ", \"low\": " + std::to_string(option.range.low) +
            ", \"high\": " + std::to_string(option.range.high);
  }
  if (!option.words.empty()) {
    line += ", \"words\": [";
    for (const std::string& word : option.words) {
      line += (&word == option.words.data() ? "" : ", ") + quoted(word);
    }
    line += ']';
  }
  std::printf("%s}%s\n", line.c_str(), is_last ? "" : ",");
}

}  // namespace

int main() try {
  std::printf("[\n");
  const auto& table = gerank::server::option_table();
  for (const Option& option : table) print(option, &option == &table.back());
  std::printf("]\n");
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
