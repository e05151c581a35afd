#include "feature_blocks.h"

#include <string>

#include "value_field.h"

namespace gerank::wire {
namespace {

Status read_block(const std::string& path, const BlockFields& fields, FeatureBlock* block) {
  if (fields.names.size() == 0) {
    return Status::invalid(path + ".names", "[]", "must name at least one feature");
  }
  ValueField given{};
  Status status = read_values(path,
                              {packed("float32_le", ColumnType::kFloat32, fields.float32_le),
                               packed("int64_le", ColumnType::kInt64, fields.int64_le),
                               numbers("floats", ColumnType::kFloat32, fields.floats),
                               numbers("ints", ColumnType::kInt64, fields.ints)},
                              &given);
  *block = {fields.names.view(), given.type, given.values, given.bytes, fields.names_id};
  return status;
}

}  // namespace

void BlockList::push(Arena& arena, const BlockFields& fields) {
  if (wrong_.size() > 0) return;
  FeatureBlock block;
  if (read_block("", fields, &block)) {
    blocks_.push(arena, block);
  } else {
    wrong_.push(arena, fields);
  }
}

Status BlockList::check(std::string_view field) const {
  if (wrong_.size() == 0) return {};
  const std::string path = std::string(field) + "[" + std::to_string(blocks_.size()) + "]";
  FeatureBlock unused;
  return read_block(path, wrong_.view().front(), &unused);
}

}  // namespace gerank::wire
