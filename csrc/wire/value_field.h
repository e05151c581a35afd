// Numbers that a message holds in one of several fields: as little-endian bytes, or repeated.
#pragma once

#include <gerank/query.h>
#include <gerank/status.h>

#include <cstddef>
#include <initializer_list>
#include <string_view>

#include "arena_list.h"

namespace gerank::wire {

struct ValueField {
  std::string_view name;
  ColumnType type;
  const void* values;
  std::size_t bytes;
  bool packed;  // as little-endian bytes, which may end within a number
};

template <typename Number>
ValueField numbers(std::string_view name, ColumnType type, const List<Number>& values) {
  return {name, type, values.view().data(), values.view().size_bytes(), false};
}

inline ValueField packed(std::string_view name, ColumnType type, std::string_view bytes) {
  return {name, type, bytes.data(), bytes.size(), true};
}

// The one field that holds numbers; `path` is that of the message.
Status read_values(std::string_view path, std::initializer_list<ValueField> fields,
                   ValueField* given);

}  // namespace gerank::wire
