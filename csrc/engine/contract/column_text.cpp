#include "column_text.h"

#include "python_text.h"

namespace gerank {

std::string value_text(const Column& column, std::size_t row) {
  switch (column.type) {
    case ColumnType::kFloat32:
      return repr(static_cast<double>(column.at<float>(row)));
    case ColumnType::kFloat64:
      return repr(column.at<double>(row));
    case ColumnType::kInt64:
      return repr(column.at<std::int64_t>(row));
  }
  return {};
}

std::string list_text(const Column& column, std::size_t rows) {
  constexpr std::size_t kEnough = 200;  // Status cuts it shorter
  std::string out = "[";
  for (std::size_t row = 0; row < rows && out.size() < kEnough; ++row) {
    if (row > 0) out += ", ";
    out += value_text(column, row);
  }
  return out + "]";
}

}  // namespace gerank
