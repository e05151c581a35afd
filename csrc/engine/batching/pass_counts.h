// What one forward pass adds to EngineStats, beside its times.
#pragma once

#include <gerank/engine.h>
#include <gerank/model.h>
#include <gerank/query.h>

#include <cstdint>
#include <span>

namespace gerank {

// Counted by the thread that runs the pass, without a lock.
class PassCounts {
 public:
  void add(const PaddedBatch& batch, std::span<const Query* const> queries) {
    rows_ += static_cast<std::uint64_t>(batch.B * batch.M);
    for (const Query* query : queries) {
      candidates_ += static_cast<std::uint64_t>(query->candidate_count);
    }
  }

  void add(const Slate& slate) {
    for (const std::uint8_t rules : slate.relaxed) relaxed_slots_ += rules != 0;
    unmet_rules_ += slate.unmet.size();
  }

  // Under the lock of the engine.
  void add_to(EngineStats* stats) const {
    stats->batch_candidates += candidates_;
    stats->batch_rows += rows_;
    stats->relaxed_slots += relaxed_slots_;
    stats->unmet_rules += unmet_rules_;
  }

 private:
  std::uint64_t candidates_ = 0, rows_ = 0, relaxed_slots_ = 0, unmet_rules_ = 0;
};

}  // namespace gerank
