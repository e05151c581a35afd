// Numbers that a message holds in one of several fields: as little-endian bytes, or repeated.
#pragma once

#include <gerank/query.h>
#include <gerank/status.h>
#include <google/protobuf/repeated_field.h>

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace gerank::server {

struct ValueField {
  std::string_view name;
  ColumnType type;
  const void* values;
  std::size_t bytes;
  bool packed;  // as little-endian bytes, which may end within a number
};

template <typename Number>
ValueField numbers(std::string_view name, ColumnType type,
                   const google::protobuf::RepeatedField<Number>& values) {
  return {name, type, values.data(), std::size_t(values.size()) * sizeof(Number), false};
}

inline ValueField packed(std::string_view name, ColumnType type, std::string_view bytes) {
  return {name, type, bytes.data(), bytes.size(), true};
}

// The one field that holds numbers; `path` is that of the message.
Status read_values(std::string_view path, std::initializer_list<ValueField> fields,
                   ValueField* given);

}  // namespace gerank::server
