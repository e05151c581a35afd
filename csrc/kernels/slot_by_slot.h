// The loop of decode_slates for a block of requests, taken apart: the caller sees the logits of
// every slot and may choose for itself.
#pragma once

#include <cstdint>
#include <limits>

#include "decoder.h"

namespace gerank::cpu {
namespace {

template <typename S>
class SlotBySlot {
 public:
  using scalar_t = typename S::scalar_t;

  SlotBySlot(const SlotBySlotTask<scalar_t>& task, Block block, Arena& arena)
      : task_(task),
        block_(block),
        decoder_(task.inputs, block.count, arena),
        memory_(distribution_memory<scalar_t>(task.inputs.num_candidates, arena)),
        allowed_(arena.take<int16_t>(task.inputs.num_candidates)) {}

  void load() { decoder_.load(block_); }
  void begin() { decoder_.begin(); }

  // Logits [B, M] of the open slot and the rules relaxed there [B]. Who may not take it has -inf,
  // a pinned candidate 0 and the others -inf.
  void score(int slot, scalar_t* logits, int64_t* relaxed) {
    const int64_t M = task_.inputs.num_candidates;
    const int most = decoder_.most_slots();
    if (slot < most) decoder_.advance(slot + 1 == most, [](int64_t) { return nullptr; });
    for (int64_t i = 0; i < block_.count; ++i) {
      scalar_t* row = logits + (block_.first + i) * M;
      for (int64_t m = 0; m < M; ++m) row[m] = -std::numeric_limits<scalar_t>::infinity();
      relaxed[block_.first + i] = 0;
      if (slot >= decoder_.request(i).slots) continue;
      const int64_t pin = decoder_.request(i).pins[slot];
      if (pin >= 0) {
        row[pin] = 0;
        continue;
      }
      const ScoredSlot scored = decoder_.score(i, slot);
      for (int j = 0; j < scored.size; ++j) row[scored.candidates[j]] = decoder_.logits()[j];
      relaxed[block_.first + i] = scored.relaxed;
    }
  }

  // Fills the slot with `forced` [B], or where that is -1 with the choice by `logits` [B, M].
  void fill(const SlotFill<scalar_t>& fill) {
    for (int64_t i = 0; i < block_.count; ++i) {
      const int64_t b = block_.first + i;
      fill.choice[b] = -1;
      fill.log_prob[b] = 0;
      if (fill.slot >= decoder_.request(i).slots) continue;
      choose(b, fill);
      decoder_.place(i, fill.slot, static_cast<int>(fill.choice[b]));
    }
  }

 private:
  void choose(int64_t b, const SlotFill<scalar_t>& fill) {
    const int size = list_allowed(fill.logits + b * task_.inputs.num_candidates);
    if (size == 0) return;
    const auto distribution = distribute<S>(size, task_.inputs.temperature[b], memory_);
    const int picked =
        fill.forced[b] >= 0 ? place_of(fill.forced[b], size) : choose_freely(b, distribution, fill);
    fill.choice[b] = allowed_[picked];
    fill.log_prob[b] = distribution.log_prob(picked);
  }

  int list_allowed(const scalar_t* row) {
    int size = 0;
    for (int64_t m = 0; m < task_.inputs.num_candidates; ++m) {
      if (row[m] == -std::numeric_limits<scalar_t>::infinity()) continue;
      memory_.logits[size] = row[m];
      allowed_[size++] = static_cast<int16_t>(m);
    }
    return size;
  }

  int choose_freely(int64_t b, const Distribution<scalar_t>& distribution,
                    const SlotFill<scalar_t>& fill) {
    if (task_.greedy[b]) return argmax<S>(distribution);
    const Draw draw = {static_cast<uint64_t>(task_.seeds[b]), fill.slot, fill.slate};
    return sample<S>(distribution, draw, allowed_, static_cast<int>(task_.inputs.num_candidates),
                     memory_);
  }

  // Returns where a candidate stands in the list. It must be listed.
  int place_of(int64_t candidate, int size) const {
    int i = 0;
    while (i + 1 < size && allowed_[i] != candidate) ++i;
    return i;
  }

  const SlotBySlotTask<scalar_t>& task_;
  const Block block_;
  Decoder<S> decoder_;
  DistributionMemory<scalar_t> memory_;
  int16_t* allowed_;  // [M]
};

}  // namespace
}  // namespace gerank::cpu
