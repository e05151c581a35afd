#include "value_field.h"

namespace gerank::server {
namespace {

// ['a', 'b']: the quoted names of the fields for which `wanted` holds.
template <typename Wanted>
std::string list_names(std::initializer_list<ValueField> fields, std::string_view quote,
                       Wanted wanted) {
  std::string text;
  for (const ValueField& field : fields) {
    if (!wanted(field)) continue;
    if (!text.empty()) text += ", ";
    text.append(quote).append(field.name).append(quote);
  }
  return text;
}

}  // namespace

Status read_values(std::string_view path, std::initializer_list<ValueField> fields,
                   ValueField* given) {
  int count = 0;
  for (const ValueField& field : fields) {
    if (field.bytes == 0) continue;
    *given = field;
    ++count;
  }
  if (count != 1) {
    const auto any = [](const ValueField&) { return true; };
    const auto set = [](const ValueField& field) { return field.bytes > 0; };
    return Status::invalid(path, "[" + list_names(fields, "'", set) + "]",
                           "must have exactly one of " + list_names(fields, "", any));
  }
  const std::size_t width = given->type == ColumnType::kFloat32 ? 4 : 8;
  if (given->packed && given->bytes % width != 0) {
    return Status::invalid(std::string(path) + "." + std::string(given->name),
                           "'" + std::to_string(given->bytes) + " bytes'",
                           "must be whole numbers of " + std::to_string(width) + " bytes each");
  }
  return {};
}

}  // namespace gerank::server
