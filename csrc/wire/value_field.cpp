#include "value_field.h"

#include <string>

namespace gerank::wire {

Status read_values(std::string_view path, std::initializer_list<ValueField> fields,
                   ValueField* given) {
  int count = 0;
  for (const ValueField& field : fields) {
    if (field.bytes == 0) continue;
    *given = field;
    ++count;
  }
  if (count != 1) {
    std::string all, set;
    for (const ValueField& field : fields) {
      const std::string name(field.name);
      all += (all.empty() ? "" : ", ") + name;
      if (field.bytes > 0) set += (set.empty() ? "'" : ", '") + name + "'";
    }
    return Status::invalid(path, "[" + set + "]", "must have exactly one of " + all);
  }
  const std::size_t width = given->type == ColumnType::kFloat32 ? 4 : 8;
  if (given->packed && given->bytes % width != 0) {
    return Status::invalid(std::string(path) + "." + std::string(given->name),
                           "'" + std::to_string(given->bytes) + " bytes'",
                           "must be whole numbers of " + std::to_string(width) + " bytes each");
  }
  return {};
}

}  // namespace gerank::wire
