#include "toml_options.h"

#include <fstream>
#include <map>
#include <sstream>
#include <utility>
#include <variant>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "option_table.h"

namespace gerank::server {
namespace {

// A table of names and files, in the order of the document: toml++ has it in that of the names.
Status read_models(const toml::table& table, std::vector<ModelFile>* models) {
  std::map<std::pair<toml::source_index, toml::source_index>, ModelFile> by_place;
  for (const auto& [name, node] : table) {
    const auto path = node.value_exact<std::string>();
    if (!path) {
      return Status::invalid("models." + std::string(name.str()), "something else",
                             "must be the file of an artifact, a text");
    }
    const toml::source_position place = name.source().begin;
    by_place[{place.line, place.column}] = {std::string(name.str()), *path};
  }
  for (auto& [place, model] : by_place) models->push_back(std::move(model));
  return {};
}

Status set(std::string_view name, const toml::node& node, ServerOptions* options) {
  if (const toml::table* const table = node.as_table()) {
    std::vector<ModelFile> models;
    if (Status status = read_models(*table, &models); !status) return status;
    return set_option(name, models, options);
  }
  if (const auto number = node.value_exact<std::int64_t>())
    return set_option(name, *number, options);
  if (const auto yes = node.value_exact<bool>()) return set_option(name, *yes, options);
  if (const auto text = node.value_exact<std::string>()) return set_option(name, *text, options);
  if (const auto real = node.value_exact<double>()) return set_option(name, *real, options);
  std::ostringstream shown;
  node.visit([&shown](const auto& value) { shown << value; });
  const Option* const option = find_option(name);
  if (option == nullptr) return Status::invalid(name, shown.str(), kNoOption);
  return Status::invalid(name, shown.str(),
                         option->kind() == Option::Kind::kModels
                             ? kMustBeModels
                             : "must be a number, a text, true or false");
}

}  // namespace

Status read_toml(std::string_view document, ServerOptions* options) {
  const toml::parse_result parsed = toml::parse(document);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return {Code::kInvalidArgument, "line " + std::to_string(error.source().begin.line) +
                                        ": not TOML: " + std::string(error.description())};
  }
  ServerOptions read = *options;
  for (const auto& [name, node] : parsed.table()) {
    if (Status status = set(name.str(), node, &read); !status) return status;
  }
  *options = std::move(read);
  return {};
}

namespace {

template <typename Value>
void insert(const std::string& name, const Value& value, toml::table* document) {
  document->insert(name, value);
}

void insert(const std::string& name, const std::vector<ModelFile>& models, toml::table* document) {
  toml::table table;
  for (const ModelFile& model : models) table.insert(model.name, model.path);
  if (!table.empty()) document->insert(name, std::move(table));
}

}  // namespace

std::string to_toml(const ServerOptions& options) {
  toml::table document;
  for (const Option& option : option_table()) {
    const OptionValue value = option.get(options);
    const auto* const text = std::get_if<std::string>(&value);
    if (text != nullptr && text->empty()) continue;  // nobody set it
    std::visit([&](const auto& set) { insert(option.name, set, &document); }, value);
  }
  std::ostringstream out;
  out << document;
  return out.str() + "\n";
}

Status read_toml_file(const std::string& path, ServerOptions* options) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return {Code::kInvalidArgument, path + ": cannot be read"};
  const Status status = read_toml(text.str(), options);
  return status ? status : Status(status.code(), path + ": " + status.message());
}

}  // namespace gerank::server
