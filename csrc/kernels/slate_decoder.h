// decode_slates for a block of requests.
#pragma once

#include <cstdint>

#include "decoder.h"

namespace gerank::cpu {
namespace {

template <typename S>
class SlateDecoder {
 public:
  using scalar_t = typename S::scalar_t;

  // `pairs` as of a Decoder.
  SlateDecoder(const DecodeTask<scalar_t>& task, int64_t block, Arena& arena,
               const uint32_t* pairs = nullptr)
      : task_(task), decoder_(task.inputs, block, arena, pairs) {}

  void decode(Block block) {
    decoder_.load(block);
    for (int64_t slate = 0; slate < task_.num_slates; ++slate) {
      decoder_.begin();
      const int most = decoder_.most_slots();
      for (int slot = 0; slot < most; ++slot) {
        decoder_.advance(slot + 1 == most, [](int64_t) { return nullptr; });
        for (int64_t i = 0; i < block.count; ++i) fill(block.first + i, i, slot, slate);
      }
      for (int64_t i = 0; i < block.count; ++i) finish(block.first + i, i, slate);
    }
  }

 private:
  int64_t row(int64_t b, int64_t slate) const {
    return (b * task_.num_slates + slate) * task_.inputs.num_slots;
  }

  void fill(int64_t b, int64_t i, int slot, int64_t slate) {
    if (slot >= decoder_.request(i).slots) return;
    const int64_t at = row(b, slate) + slot;
    const int64_t pin = decoder_.request(i).pins[slot];
    task_.log_prob[at] = 0;
    task_.relaxed[at] = 0;
    const int choice = pin >= 0 ? static_cast<int>(pin) : choose(b, i, slot, slate, at);
    task_.slates[at] = choice;
    decoder_.place(i, slot, choice);
  }

  int choose(int64_t b, int64_t i, int slot, int64_t slate, int64_t at) {
    const ScoredSlot scored = decoder_.score(i, slot);
    if (scored.size == 0) return -1;
    const auto distribution = decoder_.distribution(i, scored);
    const Draw draw = {static_cast<uint64_t>(task_.seeds[b]), slot, static_cast<int>(slate)};
    const int picked =
        task_.greedy[b] ? argmax<S>(distribution) : decoder_.draw(distribution, scored, draw);
    task_.log_prob[at] = distribution.log_prob(picked);
    task_.relaxed[at] = scored.relaxed;
    return scored.candidates[picked];
  }

  // The slots behind the slate's end.
  void finish(int64_t b, int64_t i, int64_t slate) {
    for (int64_t slot = decoder_.request(i).slots; slot < task_.inputs.num_slots; ++slot) {
      task_.slates[row(b, slate) + slot] = -1;
      task_.log_prob[row(b, slate) + slot] = 0;
      task_.relaxed[row(b, slate) + slot] = 0;
    }
  }

  const DecodeTask<scalar_t>& task_;
  Decoder<S> decoder_;
};

}  // namespace
}  // namespace gerank::cpu
