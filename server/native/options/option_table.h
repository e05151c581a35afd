// The one definition of a server's options: what each is called, what it may be, and what it is
// for.
//
// The command line of gerank-server, server.toml and, through the options.json that the build
// writes from it, Python all go by this table.
#pragma once

#include <gerank/option_ranges.h>
#include <gerank/status.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server_options.h"

namespace gerank::server {

using OptionValue = std::variant<std::int64_t, bool, std::string, double, std::vector<ModelFile>>;

struct Option {
  enum class Kind { kNumber, kToggle, kText, kReal, kModels };  // in the order of OptionValue

  std::string name;  // --max-batch on a command line is max_batch here
  std::string description;
  OptionRange range{};             // of a number
  std::vector<std::string> words;  // of a choice; empty: any text
  std::function<OptionValue(const ServerOptions&)> get;
  std::function<void(ServerOptions&, const OptionValue&)> set;  // of a value that was checked

  Kind kind() const { return Kind(get({}).index()); }
};

const std::vector<Option>& option_table();

// Null where there is none.
const Option* find_option(std::string_view name);

// The rules that a value of any type can break.
inline constexpr const char* kNoOption = "is no option of the server";
inline constexpr const char* kMustBeModels = "must be a table of names and files";

// Sets the option of that name. kInvalidArgument, naming option and value, if there is none, or if
// the value is none that it may be.
Status set_option(std::string_view name, const OptionValue& value, ServerOptions* options);

// The same for all but a toggle, as a command line gives it.
Status set_option_text(std::string_view name, const std::string& text, ServerOptions* options);

}  // namespace gerank::server
