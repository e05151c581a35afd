// One request in the shared memory of a block, and what a single warp does for it: reading it,
// listing the allowed candidates of a slot, sorting them into context classes.
//
// The functions are warp-collective: all 32 threads of a warp call them with the same arguments.
// What they write, the whole warp may read when they return.
#pragma once

#include <cstdint>

#include "../../decode/local_context.h"
#include "../../decode/rules.h"
#include "device.cuh"
#include "maths.cuh"

namespace gerank::cuda {

// `kCapacity` is at least M.
template <int kCapacity>
struct Sequence {
  RequestView request;
  BasicAttributes<kCapacity> attributes;
  BasicRules<kCapacity> rules;
  BasicPrefix<kCapacity> prefix;
  int index;             // b
  int slate;             // g, of the slate being built
  int slots;             // that the slate gets: 0 where there is no slate, or no valid one
  bool valid;            // the request keeps its promises
  bool direct;           // keys are kept as they are, not as e^2k
  unsigned largest_key;  // max |key| of the real candidates, as bits
  int size;              // candidates allowed in the open slot
  int relaxed;           // rules dropped for them
  int choice;            // that the slot got; -1: none
  int num_classes;       // context classes among the allowed
  uint32_t class_bits[kCapacity];  // of each class
  int16_t class_of[kCapacity];     // class of the i-th allowed candidate
  int16_t allowed[kCapacity];      // ascending
};

__device__ __forceinline__ bool all_of_warp(bool condition) {
  return __ballot_sync(kWholeWarp, !condition) == 0;
}

// Is the pin of `slot` a candidate in the slate, and no earlier slot's? A pin on padding is
// allowed.
__device__ inline bool is_valid_pin(const RequestView& request, int slot) {
  const int64_t pin = request.pins[slot];
  if (pin == -1) return true;
  if (pin < 0 || pin >= request.num_candidates || slot >= request.slots) return false;
  const int64_t key = request.dedup_keys[pin];
  for (int other = 0; other < slot; ++other) {
    const int64_t pinned = request.pins[other];
    if (pinned < 0 || pinned >= request.num_candidates) continue;
    if (pinned == pin || (key != -1 && request.dedup_keys[pinned] == key)) return false;
  }
  return true;
}

// Whether the request keeps the promises that the CPU kernel raises about. `slots` is as given: a
// RequestView's is an int already.
template <typename scalar_t>
__device__ bool is_valid(const RequestView& request, int64_t slots, scalar_t temperature) {
  bool valid = slots >= 0 && slots <= request.num_slots;
  valid = valid && temperature > 0 && is_finite(temperature);
  if (!valid) return false;
  bool pins = true;
  for (int slot = thread_in_warp(); slot < request.num_slots; slot += kWarp) {
    pins = pins && is_valid_pin(request, slot);
  }
  return all_of_warp(pins);
}

// The lowest candidate with the value of candidate m. Every candidate looks for itself.
__device__ inline int find_leader(const int64_t* values, int stride, int m) {
  const int64_t value = values[static_cast<int64_t>(m) * stride];
  int leader = 0;
  while (leader < m && values[static_cast<int64_t>(leader) * stride] != value) ++leader;
  return leader;
}

// The flags and group leaders, which decoding and its backward need.
template <int kCapacity>
__device__ void read_features(Sequence<kCapacity>& sequence) {
  const RequestView& request = sequence.request;
  for (int m = thread_in_warp(); m < request.num_candidates; m += kWarp) {
    sequence.attributes.flags[m] = flag_bits(request, m);
    for (int k = 0; k < request.num_groups; ++k) {
      const int64_t* groups = request.groups + k;
      const bool none = groups[static_cast<int64_t>(m) * request.num_groups] < 0;
      const int leader = none ? -1 : find_leader(groups, request.num_groups, m);
      sequence.attributes.group[k][m] = static_cast<int16_t>(leader);
    }
  }
  __syncwarp();
}

template <int kCapacity>
__device__ void read_dedup_keys(Sequence<kCapacity>& sequence) {
  const int64_t* keys = sequence.request.dedup_keys;
  for (int m = thread_in_warp(); m < sequence.request.num_candidates; m += kWarp) {
    const int leader = keys[m] == -1 ? m : find_leader(keys, 1, m);
    sequence.attributes.dedup[m] = static_cast<int16_t>(leader);
  }
  __syncwarp();
}

// Before the first slot of a slate.
template <int kCapacity>
__device__ void begin_slate(Sequence<kCapacity>& sequence) {
  const RequestView& request = sequence.request;
  clear_rules(request, sequence.rules, thread_in_warp(), kWarp);
  clear_prefix(request.num_candidates, request.num_groups, sequence.prefix, thread_in_warp(),
               kWarp);
  __syncwarp();
  release_candidates(request, sequence.attributes, sequence.rules, thread_in_warp(), kWarp);
  __syncwarp();
  if (thread_in_warp() == 0 && sequence.valid) {
    find_rule_classes(request, sequence.rules);
    reserve_pins(request, sequence.attributes, sequence.rules);
  }
  __syncwarp();
}

// The candidates allowed in an unpinned slot, after as little relaxation as leaves any: the warp's
// form of list_allowed. A thread keeps the obstacles of its candidates as two bits each.
template <int kCapacity>
__device__ void list_allowed(Sequence<kCapacity>& sequence, int slot) {
  static_assert(2 * kCapacity / kWarp <= 32);
  const int M = sequence.request.num_candidates;
  if (thread_in_warp() == 0) open_slot(sequence.request, sequence.attributes, slot, sequence.rules);
  __syncwarp();
  uint32_t found = 0;
  int least = kForbidden;
  for (int i = 0, m = thread_in_warp(); m < M; ++i, m += kWarp) {
    const int mine = obstacle(sequence.request, sequence.attributes, sequence.rules, slot, m);
    found |= static_cast<uint32_t>(mine) << (2 * i);
    least = mine < least ? mine : least;
  }
  least = warp_min(least);
  int size = 0;
  for (int i = 0; i * kWarp < M && least < kForbidden; ++i) {
    const int m = i * kWarp + thread_in_warp();
    const bool listed = m < M && static_cast<int>((found >> (2 * i)) & 3) <= least;
    const int at = append_to_list(listed, size);
    if (listed) sequence.allowed[at] = static_cast<int16_t>(m);
  }
  if (thread_in_warp() == 0) {
    sequence.size = size;
    sequence.relaxed = relaxed_bits(sequence.rules, static_cast<Obstacle>(least));
  }
  __syncwarp();
}

// Numbers the context classes of the listed candidates in the order of their first member.
template <int kCapacity>
__device__ void find_classes(Sequence<kCapacity>& sequence, int slot, int64_t window) {
  int count = 0;
  for (int first = 0; first < sequence.size; first += kWarp) {
    const int i = first + thread_in_warp();
    const bool listed = i < sequence.size;
    uint32_t bits = 0;
    int own = -1;
    if (listed) {
      bits = context_class(sequence.attributes, sequence.prefix, sequence.request.num_groups, slot,
                           window, sequence.allowed[i]);
      for (int c = 0; c < count && own < 0; ++c) own = sequence.class_bits[c] == bits ? c : -1;
    }
    unsigned pending = __ballot_sync(kWholeWarp, listed && own < 0);
    while (pending != 0) {
      const int leader = __ffs(pending) - 1;
      const bool same = bits == __shfl_sync(kWholeWarp, bits, leader) && listed && own < 0;
      if (thread_in_warp() == leader) sequence.class_bits[count] = bits;
      if (same) own = count;
      count += 1;
      pending &= ~__ballot_sync(kWholeWarp, same);
    }
    if (listed) sequence.class_of[i] = static_cast<int16_t>(own);
    __syncwarp();
  }
  if (thread_in_warp() == 0) sequence.num_classes = count;
  __syncwarp();
}

// Gives the slot to `candidate`, -1 for nothing.
template <int kCapacity>
__device__ void place(Sequence<kCapacity>& sequence, int slot, int candidate) {
  if (thread_in_warp() == 0) {
    fill_slot(sequence.request, sequence.attributes, slot, candidate, sequence.rules);
    sequence.choice = candidate;
    if (candidate >= 0) {
      extend_prefix(sequence.attributes, sequence.request.num_groups, sequence.request.num_flags,
                    slot, candidate, sequence.prefix);
    }
  }
  __syncwarp();
}

}  // namespace gerank::cuda
