// The types of columns, by the codes that Python calls them.
#pragma once

#include <gerank/query.h>
#include <pybind11/pybind11.h>

#include <string>

namespace gerank {

// f4, f8 or i8; raises ValueError for any other.
inline ColumnType column_type(const std::string& code) {
  if (code == "f4") return ColumnType::kFloat32;
  if (code == "f8") return ColumnType::kFloat64;
  if (code == "i8") return ColumnType::kInt64;
  throw pybind11::value_error("the type of a feature block must be f4, f8 or i8, got " + code);
}

}  // namespace gerank
