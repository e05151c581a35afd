// The blocks of features of one query, as its message has them and as the engine reads them.
#pragma once

#include <gerank/query.h>
#include <gerank/status.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "arena_list.h"

namespace gerank::wire {

// What a FeatureBlock message says.
struct BlockFields {
  List<std::string_view> names;
  std::uint64_t names_id = 0;  // see FeatureBlock::names_id
  std::string_view float32_le, int64_le;
  List<float> floats;
  List<std::int64_t> ints;
};

// Blocks up to the first that contradicts itself. Those after it are not kept, since two bytes of a
// message can be one.
class BlockList {
 public:
  using Element = BlockFields;

  void push(Arena& arena, const BlockFields& fields);

  // What is wrong with the first block that has not exactly one field of values, or no names;
  // `field` holds the blocks.
  Status check(std::string_view field) const;

  std::span<const FeatureBlock> view() const { return blocks_.view(); }

 private:
  List<FeatureBlock> blocks_;
  List<BlockFields> wrong_;  // one at most
};

}  // namespace gerank::wire
