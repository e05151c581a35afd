// From serialized FeatureBlock messages to the engine's blocks, without copying a number.
#pragma once

#include <gerank/query.h>
#include <gerank/status.h>
#include <google/protobuf/arena.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "name_memo.h"

namespace gerank::server {

// Reads the blocks of one call.
class BlockReader {
 public:
  // `arena` and `names` hold what the blocks are views of, beside the message itself.
  BlockReader(NameMemo& memo, google::protobuf::Arena& arena,
              std::vector<std::shared_ptr<const NameList>>& names)
      : memo_(memo), arena_(arena), names_(names) {}

  // Reads the blocks of one field of a query.
  Status read(std::string_view field,
              const google::protobuf::RepeatedPtrField<std::string>& messages,
              std::span<const FeatureBlock>* blocks);

  // Whether some bytes were no FeatureBlock: then the whole message is none of ours.
  bool malformed() const { return malformed_; }

 private:
  // With names that were met before, and one field of bytes; false where it is anything else.
  bool read_known(std::string_view bytes, FeatureBlock* block);

  // Reads a FeatureBlock of any shape, known or not.
  Status read_any(std::string_view field, int index, const std::string& bytes, FeatureBlock* block);

  NameMemo& memo_;
  google::protobuf::Arena& arena_;
  std::vector<std::shared_ptr<const NameList>>& names_;
  bool malformed_ = false;
};

}  // namespace gerank::server
