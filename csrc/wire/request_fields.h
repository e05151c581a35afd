// What a RerankRequest message says, field by field: views of its bytes, and lists in an arena.
#pragma once

#include <gerank/query.h>
#include <gerank/status.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "arena_list.h"
#include "feature_blocks.h"
#include "name_memo.h"

namespace gerank::wire {

struct DedupFields {
  std::string_view int64_le;
  List<std::int64_t> ints;
  List<bool> present;
};

struct AboveFields {
  std::int32_t count = 0;
  BlockList features;
  std::optional<DedupFields> dedup_keys;
};

struct QueryFields {
  std::string_view id;
  Query query;  // what stands in no list and needs no check: the rest is still to be put in
  BlockList user_features, candidate_features;
  List<std::string_view> candidate_ids;
  List<Pin> pins;
  std::optional<DedupFields> dedup_keys;
  std::optional<AboveFields> above;
  List<Spacing> spacing;
  List<Quota> quotas;
  List<Weight> weights;
  std::int32_t mode = 0;

  // Checks how the query says what it says: exactly one field of values per block, whole numbers in
  // its bytes, a known mode. What it says is checked by the engine. `whole` holds views of this.
  Status read(Query* whole);
};

struct RequestFields {
  List<QueryFields> queries;
  std::string_view model, version;
};

// Whether `bytes` are a message. They must stay as they are while the fields are used, and the
// arena must not be released. Lists of names that `memo` has are not read again.
bool read_fields(std::string_view bytes, Arena& arena, NameMemo& memo, RequestFields* request);

}  // namespace gerank::wire
