// What the rules and the local context ask about a candidate, in a form that a slot can look up in
// constant time.
#pragma once

#include <cstdint>

#include "host_device.h"
#include "limits.h"

namespace gerank {

// The rule arguments of one request, as the op got them: contiguous, sizes within limits.h.
struct RequestView {
  int num_candidates;         // M
  int num_slots;              // N
  int num_groups;             // K
  int num_flags;              // Q
  int slots;                  // slots asked for, 0..N
  const bool* mask;           // [M]
  const bool* flags;          // [M, Q]
  const int64_t* groups;      // [M, K]
  const int64_t* pins;        // [N]
  const int64_t* dedup_keys;  // [M]
  const int64_t* spacing;     // [K, 2]: window, cap
  const int64_t* quotas;      // [Q, 2]: min, max
};

// Every 64-bit group and dedup key is replaced by its leader: the lowest candidate that carries it.
// A leader indexes a table of M entries, which a key cannot. `kCapacity` is at least M: where
// memory is scarce, small requests take little of it.
template <int kCapacity>
struct BasicAttributes {
  uint16_t flags[kCapacity];                // bit q: the candidate has flag q
  int16_t group[kMaxGroupKeys][kCapacity];  // leader of the group; -1: none
  int16_t dedup[kCapacity];                 // leader of the dedup key; itself: none
};

using Attributes = BasicAttributes<kMaxCandidates>;

// Scratch of `find_leaders`: an open-addressing table, at most half full.
struct LeaderTable {
  static constexpr int kSize = 2 * kMaxCandidates;
  int16_t entry[kSize];
};

// The smallest power of two that is at least twice `count`.
GERANK_HOST_DEVICE int table_size(int count) {
  int size = 2;
  while (size < 2 * count) size *= 2;
  return size;
}

GERANK_HOST_DEVICE uint32_t hash_bits(uint64_t value) {
  return static_cast<uint32_t>((value * 0x9E3779B97F4A7C15ull) >> 32);
}

// leader[m] = lowest j with values[j * stride] == values[m * stride], in expected O(count).
GERANK_HOST_DEVICE void find_leaders(const int64_t* values, int stride, int count,
                                     LeaderTable& table, int16_t* leader) {
  const int size = table_size(count);
  for (int i = 0; i < size; ++i) table.entry[i] = -1;
  for (int m = 0; m < count; ++m) {
    const int64_t value = values[static_cast<int64_t>(m) * stride];
    uint32_t at = hash_bits(static_cast<uint64_t>(value)) & (size - 1);
    while (table.entry[at] >= 0 && values[static_cast<int64_t>(table.entry[at]) * stride] != value)
      at = (at + 1) & (size - 1);
    if (table.entry[at] < 0) table.entry[at] = static_cast<int16_t>(m);
    leader[m] = table.entry[at];
  }
}

GERANK_HOST_DEVICE uint16_t flag_bits(const RequestView& request, int candidate) {
  const bool* own = request.flags + static_cast<int64_t>(candidate) * request.num_flags;
  uint32_t bits = 0;
  for (int q = 0; q < request.num_flags; ++q) bits |= static_cast<uint32_t>(own[q]) << q;
  return static_cast<uint16_t>(bits);
}

GERANK_HOST_DEVICE void find_flags(const RequestView& request, Attributes& attributes) {
  for (int m = 0; m < request.num_candidates; ++m) attributes.flags[m] = flag_bits(request, m);
}

// A negative group is none: it is in no prefix and under no rule.
GERANK_HOST_DEVICE void find_groups(const RequestView& request, int key, LeaderTable& table,
                                    Attributes& attributes) {
  int16_t* leader = attributes.group[key];
  find_leaders(request.groups + key, request.num_groups, request.num_candidates, table, leader);
  for (int m = 0; m < request.num_candidates; ++m) {
    if (request.groups[static_cast<int64_t>(m) * request.num_groups + key] < 0) leader[m] = -1;
  }
}

// Key -1 is none: such a candidate excludes itself alone.
GERANK_HOST_DEVICE void find_dedup(const RequestView& request, LeaderTable& table,
                                   Attributes& attributes) {
  bool is_used = false;
  for (int m = 0; m < request.num_candidates; ++m) is_used |= request.dedup_keys[m] != -1;
  if (is_used) {
    find_leaders(request.dedup_keys, 1, request.num_candidates, table, attributes.dedup);
  }
  for (int m = 0; m < request.num_candidates; ++m) {
    if (request.dedup_keys[m] == -1) attributes.dedup[m] = static_cast<int16_t>(m);
  }
}

GERANK_HOST_DEVICE void find_attributes(const RequestView& request, LeaderTable& table,
                                        Attributes& attributes) {
  find_flags(request, attributes);
  for (int k = 0; k < request.num_groups; ++k) find_groups(request, k, table, attributes);
  find_dedup(request, table, attributes);
}

}  // namespace gerank
