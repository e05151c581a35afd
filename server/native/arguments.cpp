#include "arguments.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "options/option_table.h"
#include "options/toml_options.h"

namespace gerank::server {
namespace {

constexpr std::string_view kModelFlag = "--model", kConfigFlag = "--config";

// --max-batch for max_batch.
std::string flag_of(const std::string& name) {
  std::string flag = "--" + name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string shown(const OptionValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* real = std::get_if<double>(&value)) {
    std::ostringstream out;
    out << *real;
    return out.str();
  }
  return std::get<std::string>(value);
}

void print(const Option& option) {
  std::string words;
  for (const std::string& word : option.words) words += (words.empty() ? "" : "|") + word;
  if (flag_of(option.name) == kModelFlag || option.kind() == Option::Kind::kModels) {
    return;  // --model NAME=FILE, which stands above
  }
  std::string flag = flag_of(option.name), about = option.description;
  const OptionValue standard = option.get({});
  switch (option.kind()) {
    case Option::Kind::kToggle:
      if (!std::get<bool>(standard)) break;
      flag = "--no-" + flag.substr(2);
      about = "not: " + about;
      break;
    case Option::Kind::kNumber:
    case Option::Kind::kReal:
      flag += " NUMBER";
      about += ", " + std::to_string(option.range.low) + " to " + std::to_string(option.range.high);
      about += " [" + shown(standard) + "]";
      break;
    case Option::Kind::kText:
      flag += " " + (words.empty() ? "TEXT" : words);
      if (!shown(standard).empty()) about += " [" + shown(standard) + "]";
      break;
    case Option::Kind::kModels:
      break;
  }
  std::printf("  %-36s %s\n", flag.c_str(), about.c_str());
}

// NAME=FILE, or FILE alone; a file whose path begins like a name is written ./FILE.
ModelFile to_model(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || text.find('/') < equals) return {kDefaultModel, text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void throw_unless_ok(const Status& status) {
  if (!status) throw std::invalid_argument(status.message());
}

void add_model(const std::string& text, ServerOptions* options) {
  const ModelFile model = to_model(text);
  const auto same = [&](const ModelFile& other) { return other.name == model.name; };
  if (std::any_of(options->models.begin(), options->models.end(), same)) {
    throw std::invalid_argument("model: '" + text + "': another artifact is '" + model.name +
                                "' too");
  }
  throw_unless_ok(model.name == kDefaultModel
                      ? set_option("model", model.path, options)
                      : set_option("models", std::vector<ModelFile>{model}, options));
}

// One option as the command line gives it.
struct Flag {
  std::string name;                // with its dashes
  const Option* option = nullptr;  // null for --model and --config
  bool toggled = false;            // the value of an option that takes none
  std::string value;

  bool takes_value() const { return option == nullptr || option->kind() != Option::Kind::kToggle; }
};

// The option that a flag sets: `toggled` becomes the value of one that takes none.
const Option* option_of(const std::string& flag, bool* toggled) {
  for (const Option& option : option_table()) {
    if (option.kind() == Option::Kind::kModels) continue;
    *toggled = flag == flag_of(option.name);
    if (*toggled) return &option;
    const bool is_toggle = option.kind() == Option::Kind::kToggle;
    if (is_toggle && flag == "--no-" + flag_of(option.name).substr(2)) return &option;
  }
  throw std::invalid_argument("unknown option " + flag + "; --help lists them");
}

// `--name value`, `--name=value` and `--toggle`; all but --model once.
std::vector<Flag> split(int argc, char** argv) {
  std::vector<Flag> flags;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t equals = word.rfind("--", 0) == 0 ? word.find('=') : std::string::npos;
    Flag flag;
    flag.name = word.substr(0, equals);
    if (flag.name != kModelFlag && flag.name != kConfigFlag) {
      flag.option = option_of(flag.name, &flag.toggled);
    }
    if (equals != std::string::npos) {
      if (!flag.takes_value()) throw std::invalid_argument(flag.name + ": takes no value");
      flag.value = word.substr(equals + 1);
    } else if (flag.takes_value()) {
      if (i + 1 == argc) throw std::invalid_argument(flag.name + ": its value is missing");
      flag.value = argv[++i];
    }
    const auto same = [&](const Flag& other) {
      return flag.option != nullptr ? other.option == flag.option : other.name == flag.name;
    };
    if (flag.name != kModelFlag && std::any_of(flags.begin(), flags.end(), same)) {
      throw std::invalid_argument(flag.name + ": must be given once");
    }
    flags.push_back(std::move(flag));
  }
  return flags;
}

}  // namespace

void print_help() {
  std::printf(
      "usage: gerank-server --model [NAME=]FILE... [OPTION VALUE | OPTION=VALUE]...\n\n"
      "Serves artifacts over gRPC; the first answers calls that name no model. SIGTERM drains it,\n"
      "SIGHUP loads files that have changed.\n\n"
      "  --model NAME=FILE                    an artifact that answers under this name; "
      "repeatable,\n"
      "                                       and then in place of the models of --config\n"
      "  --config FILE                        server.toml, whose options have the names below\n"
      "                                       without dashes: max_batch = 64; flags win\n");
  for (const Option& option : option_table()) print(option);
  std::printf("  --version                            print the version and end\n");
  std::printf("  --help                               print this and end\n");
}

ServerOptions read_arguments(int argc, char** argv) {
  const std::vector<Flag> flags = split(argc, argv);
  ServerOptions options;
  bool names_models = false;
  for (const Flag& flag : flags) {
    names_models |= flag.name == kModelFlag;
    if (flag.name == kConfigFlag) throw_unless_ok(read_toml_file(flag.value, &options));
  }
  if (names_models) options.models.clear();
  for (const Flag& flag : flags) {
    if (flag.name == kModelFlag) {
      add_model(flag.value, &options);
    } else if (flag.name != kConfigFlag) {
      throw_unless_ok(flag.takes_value() ? set_option_text(flag.option->name, flag.value, &options)
                                         : set_option(flag.option->name, flag.toggled, &options));
    }
  }
  if (options.models.empty())
    throw std::invalid_argument("model: which artifact to serve, --model FILE");
  return options;
}

}  // namespace gerank::server
