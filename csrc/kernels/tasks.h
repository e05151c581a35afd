// What the CPU kernels work on: the ops' tensors as contiguous arrays. No torch header here: a
// kernel's file compiles in seconds, once per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../decode/attributes.h"
#include "../decode/weights.h"

namespace gerank::cpu {

// The arguments that decode_slates and slate_log_prob share.
template <typename scalar_t>
struct DecoderView {
  int64_t batch, num_candidates, num_slots, width, attention_width, num_flags, num_groups;
  int64_t context_window;
  int64_t attention_stride;     // between requests; 0: shared by all
  const scalar_t* candidates;   // [B, M, D]
  const scalar_t* set_vector;   // [B, D]
  const bool* mask;             // [B, M]
  const scalar_t* weights;      // [P]
  const scalar_t* attention;    // [B or 1, C + 3, H]
  const bool* flags;            // [B, M, Q]
  const int64_t* groups;        // [B, M, K]
  const int64_t* pins;          // [B, N]
  const int64_t* dedup_keys;    // [B, M]
  const int64_t* spacing;       // [B, K, 2]
  const int64_t* quotas;        // [B, Q, 2]
  const int64_t* slots;         // [B]
  const scalar_t* temperature;  // [B]

  GERANK_HOST_DEVICE WeightLayout weight_layout() const {
    return {width, attention_width, num_flags};
  }
  GERANK_HOST_DEVICE AttentionLayout attention_layout() const { return {num_flags, num_groups}; }
  GERANK_HOST_DEVICE const scalar_t* attention_of(int64_t b) const {
    return attention + b * attention_stride;
  }

  GERANK_HOST_DEVICE RequestView request(int64_t b) const {
    return {static_cast<int>(num_candidates),
            static_cast<int>(num_slots),
            static_cast<int>(num_groups),
            static_cast<int>(num_flags),
            static_cast<int>(slots[b]),
            mask + b * num_candidates,
            flags + b * num_candidates * num_flags,
            groups + b * num_candidates * num_groups,
            pins + b * num_slots,
            dedup_keys + b * num_candidates,
            spacing + b * num_groups * 2,
            quotas + b * num_flags * 2};
  }
};

template <typename scalar_t>
struct DecodeTask {
  DecoderView<scalar_t> inputs;
  int64_t num_slates;
  const int64_t* seeds;  // [B]
  const bool* greedy;    // [B]
  int64_t* slates;       // [B, G, N]
  scalar_t* log_prob;    // [B, G, N]
  int64_t* relaxed;      // [B, G, N]
};

// A decode that its caller takes from slot to slot.
template <typename scalar_t>
struct SlotBySlotTask {
  DecoderView<scalar_t> inputs;
  const int64_t* seeds;  // [B]
  const bool* greedy;    // [B]
};

// How one slot of every request is filled.
template <typename scalar_t>
struct SlotFill {
  int slot;
  int slate;
  const scalar_t* logits;  // [B, M]; -inf: may not take it
  const int64_t* forced;   // [B]; -1: choose by the logits
  int64_t* choice;         // [B]
  scalar_t* log_prob;      // [B]
};

// The pointers below `entropy` are null unless a backward will follow.
template <typename scalar_t>
struct TeacherTask {
  DecoderView<scalar_t> inputs;
  int64_t num_slates;
  const int64_t* slates;  // [B, G, N]
  scalar_t* log_prob;     // [B, G, N]
  scalar_t* entropy;      // [B, G, N]
  scalar_t* probs;        // [B, G, N, M]
  scalar_t* hidden;       // [B, G, N + 1, D]
  scalar_t* gates;        // [B, G, N, 4D]
  scalar_t* projection;   // [B, G, N, H]
};

// The outputs of the requests are filled; those of the shared parameters are added to.
template <typename scalar_t>
struct GradientTask {
  int64_t num_candidates, num_slots, num_slates, width, attention_width, num_flags, num_groups;
  int64_t context_window;
  int64_t attention_stride;       // between requests; 0: shared by all
  int64_t grad_attention_stride;  // the same
  const scalar_t* grad_log_prob;  // [B, G, N]
  const scalar_t* grad_entropy;   // [B, G, N]
  const scalar_t* candidates;     // [B, M, D]
  const scalar_t* weights;        // [P]
  const scalar_t* attention;      // [B or 1, C + 3, H]
  const bool* flags;              // [B, M, Q]
  const int64_t* groups;          // [B, M, K]
  const int64_t* slots;           // [B]
  const scalar_t* temperature;    // [B]
  const int64_t* slates;          // [B, G, N]
  const scalar_t* log_prob;       // [B, G, N]
  const scalar_t* entropy;        // [B, G, N]
  const scalar_t* probs;          // [B, G, N, M]
  const scalar_t* hidden;         // [B, G, N + 1, D]
  const scalar_t* gates;          // [B, G, N, 4D]
  const scalar_t* projection;     // [B, G, N, H]
  scalar_t* grad_candidates;      // [B, M, D]
  scalar_t* grad_set_vector;      // [B, D]
  scalar_t* grad_attention;       // [B, C + 3, H], zeros; unused where it is shared

  GERANK_HOST_DEVICE WeightLayout weight_layout() const {
    return {width, attention_width, num_flags};
  }
  GERANK_HOST_DEVICE AttentionLayout attention_layout() const { return {num_flags, num_groups}; }
};

// Requests [first, first + count) that one thread works on together.
struct Block {
  int64_t first;
  int64_t count;
};

// Cuts one thread's memory into arrays. Over no memory it only measures.
class Arena {
 public:
  GERANK_HOST_DEVICE explicit Arena(std::byte* memory) : memory_(memory) {}

  template <typename value_t>
  GERANK_HOST_DEVICE value_t* take(int64_t count) {
    const int64_t at = used_;
    used_ += (count * static_cast<int64_t>(sizeof(value_t)) + 63) / 64 * 64;
    return memory_ == nullptr ? nullptr : reinterpret_cast<value_t*>(memory_ + at);
  }

  GERANK_HOST_DEVICE int64_t used() const { return used_; }

 private:
  std::byte* memory_;
  int64_t used_ = 0;
};

}  // namespace gerank::cpu
