// slate_log_prob for a block of requests: walks along given slates.
#pragma once

#include <cstdint>
#include <limits>

#include "decoder.h"

namespace gerank::cpu {
namespace {

template <typename S>
class Teacher {
 public:
  using scalar_t = typename S::scalar_t;

  Teacher(const TeacherTask<scalar_t>& task, int64_t block, Arena& arena)
      : task_(task),
        decoder_(task.inputs, block, arena),
        probs_(arena.take<scalar_t>(padded(task.inputs.num_candidates))) {}

  void walk(Block block) {
    decoder_.load(block);
    for (int64_t slate = 0; slate < task_.num_slates; ++slate) {
      decoder_.begin();
      for (int64_t i = 0; i < block.count; ++i) save_hidden(slate_of(block.first + i, slate), i, 0);
      const int most = decoder_.most_slots();
      for (int slot = 0; slot < most; ++slot) {
        decoder_.advance(slot + 1 == most, [&](int64_t i) {
          return gates(slate_of(block.first + i, slate) * N() + slot, i, slot);
        });
        for (int64_t i = 0; i < block.count; ++i) {
          if (slot >= decoder_.request(i).slots) continue;
          save_state(slate_of(block.first + i, slate), i, slot);
          follow(slate_of(block.first + i, slate) * N() + slot, i, slot);
        }
      }
      for (int64_t i = 0; i < block.count; ++i) finish(slate_of(block.first + i, slate), i);
    }
  }

 private:
  int64_t N() const { return task_.inputs.num_slots; }
  int64_t slate_of(int64_t b, int64_t slate) const { return b * task_.num_slates + slate; }

  // Where the gates of a slot are kept, if they are.
  scalar_t* gates(int64_t row, int64_t i, int slot) const {
    const bool kept = task_.gates != nullptr && slot < decoder_.request(i).slots;
    return kept ? task_.gates + row * 4 * task_.inputs.width : nullptr;
  }

  void save_hidden(int64_t slate, int64_t i, int index) {
    if (task_.hidden == nullptr) return;
    const int64_t D = task_.inputs.width;
    __builtin_memcpy(task_.hidden + (slate * (N() + 1) + index) * D, decoder_.hidden(i),
                     D * sizeof(scalar_t));
  }

  void save_state(int64_t slate, int64_t i, int slot) {
    save_hidden(slate, i, slot + 1);
    if (task_.projection == nullptr) return;
    const int64_t H = task_.inputs.attention_width;
    __builtin_memcpy(task_.projection + (slate * N() + slot) * H, decoder_.projection(i),
                     H * sizeof(scalar_t));
  }

  void follow(int64_t row, int64_t i, int slot) {
    const int given = static_cast<int>(task_.slates[row]);
    const int64_t pin = decoder_.request(i).pins[slot];
    const bool is_judged = given >= 0 && pin < 0;
    task_.log_prob[row] = given >= 0 && pin >= 0 && given != pin ? kImpossible : scalar_t(0);
    task_.entropy[row] = 0;
    if (!(is_judged && judge(row, i, slot, given))) clear_probs(row);
    decoder_.place(i, slot, given);
  }

  // False where nothing is allowed, and so nothing can be.
  bool judge(int64_t row, int64_t i, int slot, int given) {
    task_.log_prob[row] = kImpossible;
    const ScoredSlot scored = decoder_.score(i, slot);
    if (scored.size == 0) return false;
    const auto distribution = decoder_.distribution(i, scored);
    task_.entropy[row] = probabilities<S>(distribution, probs_);
    clear_probs(row);
    for (int j = 0; j < scored.size; ++j) {
      const int16_t m = scored.candidates[j];
      if (m == given) task_.log_prob[row] = distribution.log_prob(j);
      if (task_.probs != nullptr) task_.probs[row * task_.inputs.num_candidates + m] = probs_[j];
    }
    return true;
  }

  void clear_probs(int64_t row) {
    if (task_.probs == nullptr) return;
    const int64_t M = task_.inputs.num_candidates;
    __builtin_memset(task_.probs + row * M, 0, M * sizeof(scalar_t));
  }

  // The slots behind the slate's end. Zeros, because the backward multiplies them by a gradient of
  // 0.
  void finish(int64_t slate, int64_t i) {
    const int64_t D = task_.inputs.width, H = task_.inputs.attention_width;
    for (int64_t slot = decoder_.request(i).slots; slot < N(); ++slot) {
      const int64_t row = slate * N() + slot;
      task_.log_prob[row] = task_.entropy[row] = 0;
      clear_probs(row);
      if (task_.hidden == nullptr) continue;
      __builtin_memset(task_.hidden + (slate * (N() + 1) + slot + 1) * D, 0, D * sizeof(scalar_t));
      __builtin_memset(task_.gates + row * 4 * D, 0, 4 * D * sizeof(scalar_t));
      __builtin_memset(task_.projection + row * H, 0, H * sizeof(scalar_t));
    }
  }

  static constexpr scalar_t kImpossible = -std::numeric_limits<scalar_t>::infinity();

  const TeacherTask<scalar_t>& task_;
  Decoder<S> decoder_;
  scalar_t* probs_;  // [padded(M)]
};

}  // namespace
}  // namespace gerank::cpu
