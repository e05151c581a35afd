// A strict JSON reader, for manifests: bounded depth, no duplicate keys, no trailing text. Like
// Python's writer it knows NaN and Infinity.
#pragma once

#include <gerank/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gerank {

// One value. A plain tree; members keep the order of the text.
struct Json {
  enum class Type { kNull, kBool, kInteger, kReal, kString, kArray, kObject };

  Type type = Type::kNull;
  bool truth = false;
  std::int64_t integer = 0;
  double real = 0;  // of an integer too
  std::string text;
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;
  std::string_view source;  // the text it was read from

  // A member, or null.
  const Json* find(std::string_view key) const;

  bool is_number() const { return type == Type::kInteger || type == Type::kReal; }

  // Reads all of `text`, which must outlive the tree's `source`s. kFailedPrecondition if it is no
  // JSON; the message says where.
  static Status parse(std::string_view text, Json* value);
};

// As Python's repr shows what json.loads makes of it: {'a': [1, 2.5, None]}.
std::string repr(const Json& value);

}  // namespace gerank
