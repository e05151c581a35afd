// What a slot's scores know about the slots before it.
#pragma once

#include <cstdint>

#include "attributes.h"
#include "host_device.h"
#include "limits.h"

namespace gerank {

// The candidates placed in the slots before the current one, pinned ones included.
template <int kCapacity>
struct BasicPrefix {
  int size;                                     // empty slots are not counted
  uint32_t present;                             // bit q: some placed candidate has flag q
  int16_t flag_count[kMaxFlags];                // placed candidates that have the flag
  int16_t last_slot[kMaxGroupKeys][kCapacity];  // by group leader; -1: not in the prefix
};

using Prefix = BasicPrefix<kMaxCandidates>;

// `threads` threads may share the work, each calling with its own `thread`; one does it all.
template <int kCapacity>
GERANK_HOST_DEVICE void clear_prefix(int num_candidates, int num_groups,
                                     BasicPrefix<kCapacity>& prefix, int thread = 0,
                                     int threads = 1) {
  for (int k = 0; k < num_groups; ++k) {
    for (int m = thread; m < num_candidates; m += threads) prefix.last_slot[k][m] = -1;
  }
  if (thread != 0) return;
  prefix.size = 0;
  prefix.present = 0;
  for (int q = 0; q < kMaxFlags; ++q) prefix.flag_count[q] = 0;
}

// Appends `candidate`, which took `slot`; slots come in ascending order.
template <int kCapacity>
GERANK_HOST_DEVICE void extend_prefix(const BasicAttributes<kCapacity>& attributes, int num_groups,
                                      int num_flags, int slot, int candidate,
                                      BasicPrefix<kCapacity>& prefix) {
  const uint32_t flags = attributes.flags[candidate];
  prefix.size += 1;
  prefix.present |= flags;
  for (int q = 0; q < num_flags; ++q) prefix.flag_count[q] += (flags >> q) & 1;
  for (int k = 0; k < num_groups; ++k) {
    const int leader = attributes.group[k][candidate];
    if (leader >= 0) prefix.last_slot[k][leader] = static_cast<int16_t>(slot);
  }
}

// The share of the prefix that has the flag; 0 while the prefix is empty.
template <typename scalar_t, int kCapacity>
GERANK_HOST_DEVICE scalar_t flag_share(const BasicPrefix<kCapacity>& prefix, int flag) {
  const int size = prefix.size > 0 ? prefix.size : 1;
  return static_cast<scalar_t>(prefix.flag_count[flag]) / static_cast<scalar_t>(size);
}

// The slot's term `index` of the S = Q + 1 that all candidates share: Q shares, then n / slots.
template <typename scalar_t, int kCapacity>
GERANK_HOST_DEVICE scalar_t shared_term(const BasicPrefix<kCapacity>& prefix, int num_flags,
                                        int slot, int slots, int index) {
  if (index < num_flags) return flag_share<scalar_t>(prefix, index);
  return static_cast<scalar_t>(slot) / static_cast<scalar_t>(slots);
}

// The context class of a candidate: all candidates of one class have one local context c_nm, so
// W_c c_nm is computed once per class. Bit q: flag q counts (it is the candidate's own and in the
// prefix, else the feature is 0); bit 16 + k: the group is in the prefix; bit 24 + k: it is in
// the last `window` slots.
constexpr int kSeenBit = kMaxFlags;
constexpr int kRecentBit = kMaxFlags + kMaxGroupKeys;

template <int kCapacity>
GERANK_HOST_DEVICE uint32_t context_class(const BasicAttributes<kCapacity>& attributes,
                                          const BasicPrefix<kCapacity>& prefix, int num_groups,
                                          int slot, int64_t window, int candidate) {
  uint32_t bits = attributes.flags[candidate] & prefix.present;
  for (int k = 0; k < num_groups; ++k) {
    const int leader = attributes.group[k][candidate];
    const int last = leader >= 0 ? prefix.last_slot[k][leader] : -1;
    if (last < 0) continue;
    bits |= 1u << (kSeenBit + k);
    if (last >= slot - window) bits |= 1u << (kRecentBit + k);
  }
  return bits;
}

}  // namespace gerank
