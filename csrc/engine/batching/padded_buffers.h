// The memory of one padded batch and of its answer: filled from queries, split into slates.
#pragma once

#include <gerank/contract.h>
#include <gerank/model.h>
#include <gerank/query.h>
#include <gerank/status.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../contract/resolved_features.h"

namespace gerank {

// The sizes of a batch that its artifact decides alone: all but B, M and N.
void set_widths(const Contract& contract, PaddedBatch* batch);

// Reuses its memory from batch to batch; one per thread. Not thread-safe.
class PaddedBuffers {
 public:
  // Pads queries that passed Contract::check to their largest M and N. Draws the seeds that are
  // neither given nor irrelevant. At least one query.
  //
  // What stands above a page takes part as padding behind its candidates, pinned to slots in front
  // of its own: rules and local context see it, and it is chosen by nobody.
  void fill(const Contract& contract, std::span<const Query* const> queries);

  // Checks the queries, then fills. kInvalidArgument, whose field begins with `queries[i].`, for
  // the first that cannot be answered. At least one query.
  Status check_and_fill(const Contract& contract, std::span<const Query> queries);

  // What fill() made.
  const PaddedBatch& batch() const { return batch_; }

  // Where a model puts its answer to batch().
  const PaddedAnswer& answer() const { return answer_; }

  // Slate `b` of the answer. kInternal if it is no slate of that request: a model may be any
  // scripted module, and whoever reads the slate goes by its indices.
  Status split(const Contract& contract, std::size_t b, Slate* slate) const;

 private:
  void resize(const Contract& contract, std::span<const Query* const> queries);
  void fill_features(const Contract& contract, const Query& query, std::size_t b);
  void fill_rules(const Contract& contract, const Query& query, std::size_t b);
  void fill_dedup_keys(const Query& query, std::int64_t* keys) const;
  void leave_room_above(const Contract& contract, const Query& query, std::size_t b);
  Status check_answer(std::size_t b) const;

  // What an answer is held against. The model does not see it: it may write to what it sees.
  struct Asked {
    std::int64_t candidates = 0, slots = 0, above = 0;
    std::uint64_t seed = 0;
  };

  PaddedBatch batch_;
  PaddedAnswer answer_;
  ResolvedFeatures user_, candidates_, above_;
  std::vector<float> user_dense_, candidate_dense_, weights_, temperature_, log_prob_;
  std::vector<std::int64_t> user_ids_, candidate_ids_, pins_, dedup_keys_, spacing_, quotas_;
  std::vector<std::int64_t> slots_, seeds_, slates_, relaxed_;
  std::vector<unsigned char> mask_, greedy_;  // bool, but addressable
  std::vector<Asked> asked_;                  // [B]
};

}  // namespace gerank
