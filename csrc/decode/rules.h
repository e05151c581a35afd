// The hard rules of one request: pins, padding, dedup, quotas and spacing, and how they are
// relaxed.
//
// Order of authority: pins > padding > dedup > quotas > spacing. Where nothing is allowed, spacing
// is dropped for that slot, then quotas; the others never are.
#pragma once

#include <cstdint>

#include "attributes.h"
#include "host_device.h"
#include "limits.h"

namespace gerank {

// Bits of the op's output `relaxed`.
constexpr int kSpacingRelaxed = 1;
constexpr int kQuotasRelaxed = 2;

// What has to be dropped before a candidate is allowed. In ascending order of authority.
enum Obstacle : int {
  kNoObstacle = 0,
  kSpacingObstacle = 1,
  kQuotaObstacle = 2,  // spacing may stand in the way as well: it is dropped first
  kForbidden = 3,      // padding, already placed, reserved by a pin, or a duplicate of such a one
};

// The rules while a slate is being built. Slots are opened and filled in ascending order:
//
//   begin_rules(request, attributes, rules);
//   for (int slot = 0; slot < request.slots; ++slot) {
//     open_slot(request, attributes, slot, rules);      // then: obstacle(..., candidate)
//     fill_slot(request, attributes, slot, candidate, rules);
//   }
template <int kCapacity>
struct BasicRules {
  bool has_spacing;              // some window > 0
  bool has_quotas;               // some min > 0 or max >= 0
  int free_slots;                // not pinned and not yet filled
  int candidates_left;           // that may still be placed, of a dedup key one
  uint32_t required;             // flags that the open slot must have
  uint32_t exhausted;            // flags that the open slot must not have
  bool out_of_reach;             // some minimum is above what can still be delivered
  int16_t delivered[kMaxFlags];  // members of the flag in filled slots and later pins
  int16_t occupant[kMaxSlots];   // filled slots and later pins; -1: empty
  uint8_t taken[kCapacity];      // by dedup leader: placed, reserved or padding alone
  uint8_t count[kCapacity];      // scratch of open_slot, by group leader; zero between calls
  uint8_t blocked[kMaxGroupKeys][kCapacity];  // by group leader: slot + 1 where it is too much
};

using Rules = BasicRules<kMaxCandidates>;

template <int kCapacity>
GERANK_HOST_DEVICE void count_flags(const BasicAttributes<kCapacity>& attributes, int num_flags,
                                    int candidate, int step, BasicRules<kCapacity>& rules) {
  for (int q = 0; q < num_flags; ++q) {
    if ((attributes.flags[candidate] >> q) & 1) rules.delivered[q] += static_cast<int16_t>(step);
  }
}

template <int kCapacity>
GERANK_HOST_DEVICE void find_rule_classes(const RequestView& request,
                                          BasicRules<kCapacity>& rules) {
  rules.has_spacing = false;
  rules.has_quotas = false;
  for (int k = 0; k < request.num_groups; ++k) rules.has_spacing |= request.spacing[2 * k] > 0;
  for (int q = 0; q < request.num_flags; ++q) {
    rules.has_quotas |= request.quotas[2 * q] > 0 || request.quotas[2 * q + 1] >= 0;
  }
}

// `threads` threads may share the work, each calling with its own `thread`; one does it all.
template <int kCapacity>
GERANK_HOST_DEVICE void clear_rules(const RequestView& request, BasicRules<kCapacity>& rules,
                                    int thread = 0, int threads = 1) {
  const int M = request.num_candidates;
  for (int m = thread; m < M; m += threads) {
    rules.taken[m] = 1;
    rules.count[m] = 0;
  }
  for (int k = 0; k < request.num_groups; ++k) {
    for (int m = thread; m < M; m += threads) rules.blocked[k][m] = 0;
  }
}

// Lets every real candidate be placed. It is called after clear_rules; threads that write in one
// place write the same.
template <int kCapacity>
GERANK_HOST_DEVICE void release_candidates(const RequestView& request,
                                           const BasicAttributes<kCapacity>& attributes,
                                           BasicRules<kCapacity>& rules, int thread = 0,
                                           int threads = 1) {
  for (int m = thread; m < request.num_candidates; m += threads) {
    if (request.mask[m]) rules.taken[attributes.dedup[m]] = 0;
  }
}

// Reserves what is pinned, and counts who is left. After release_candidates.
template <int kCapacity>
GERANK_HOST_DEVICE void reserve_pins(const RequestView& request,
                                     const BasicAttributes<kCapacity>& attributes,
                                     BasicRules<kCapacity>& rules) {
  for (int q = 0; q < request.num_flags; ++q) rules.delivered[q] = 0;
  rules.free_slots = 0;
  for (int slot = 0; slot < request.slots; ++slot) {
    const int pin = static_cast<int>(request.pins[slot]);
    rules.occupant[slot] = static_cast<int16_t>(pin);
    if (pin < 0) {
      rules.free_slots += 1;
      continue;
    }
    rules.taken[attributes.dedup[pin]] = 1;
    count_flags(attributes, request.num_flags, pin, 1, rules);
  }
  rules.candidates_left = 0;
  for (int m = 0; m < request.num_candidates; ++m) {
    rules.candidates_left += attributes.dedup[m] == m && !rules.taken[m];
  }
}

template <int kCapacity>
GERANK_HOST_DEVICE void begin_rules(const RequestView& request,
                                    const BasicAttributes<kCapacity>& attributes,
                                    BasicRules<kCapacity>& rules) {
  find_rule_classes(request, rules);
  clear_rules(request, rules);
  release_candidates(request, attributes, rules);
  reserve_pins(request, attributes, rules);
}

// Counts one slot of a run, and blocks its group when the run has no room for one more.
template <int kCapacity>
GERANK_HOST_DEVICE void enter_run(const BasicAttributes<kCapacity>& attributes, int key,
                                  int64_t cap, int slot, int stamp, BasicRules<kCapacity>& rules) {
  const int occupant = rules.occupant[slot];
  if (occupant < 0) return;
  const int leader = attributes.group[key][occupant];
  if (leader < 0) return;
  rules.count[leader] += 1;
  if (rules.count[leader] >= cap) rules.blocked[key][leader] = static_cast<uint8_t>(stamp);
}

template <int kCapacity>
GERANK_HOST_DEVICE void leave_run(const BasicAttributes<kCapacity>& attributes, int key, int slot,
                                  BasicRules<kCapacity>& rules) {
  const int occupant = rules.occupant[slot];
  if (occupant < 0) return;
  const int leader = attributes.group[key][occupant];
  if (leader >= 0) rules.count[leader] -= 1;
}

// Marks the groups of one key that may not take `slot`: slides over every run of `window` slots
// that contains it, in O(window). A window longer than the slate is the whole slate.
template <int kCapacity>
GERANK_HOST_DEVICE void block_groups(const RequestView& request,
                                     const BasicAttributes<kCapacity>& attributes, int key,
                                     int slot, BasicRules<kCapacity>& rules) {
  const int64_t cap = request.spacing[2 * key + 1];
  int64_t window = request.spacing[2 * key];
  if (window <= 0 || cap <= 0) return;  // cap 0 bars every group: see breaks_spacing
  if (window > request.slots) window = request.slots;
  const int length = static_cast<int>(window);
  const int first = slot - length + 1 > 0 ? slot - length + 1 : 0;
  const int last = slot < request.slots - length ? slot : request.slots - length;
  for (int j = first; j < first + length; ++j) enter_run(attributes, key, cap, j, slot + 1, rules);
  for (int j = first; j < last; ++j) {
    leave_run(attributes, key, j, rules);
    enter_run(attributes, key, cap, j + length, slot + 1, rules);
  }
  for (int j = last; j < last + length; ++j) leave_run(attributes, key, j, rules);
}

template <int kCapacity>
GERANK_HOST_DEVICE void bind_quotas(const RequestView& request, BasicRules<kCapacity>& rules) {
  // Where candidates run out first, slots stay empty.
  const int deliverable =
      rules.free_slots < rules.candidates_left ? rules.free_slots : rules.candidates_left;
  rules.required = rules.exhausted = 0;
  rules.out_of_reach = false;
  for (int q = 0; q < request.num_flags; ++q) {
    const int64_t owed = request.quotas[2 * q] - rules.delivered[q];
    const int64_t most = request.quotas[2 * q + 1];
    if (owed > 0 && owed >= deliverable) rules.required |= 1u << q;
    rules.out_of_reach |= owed > deliverable;
    if (most >= 0 && rules.delivered[q] >= most) rules.exhausted |= 1u << q;
  }
}

// Prepares `obstacle` for an unpinned slot.
template <int kCapacity>
GERANK_HOST_DEVICE void open_slot(const RequestView& request,
                                  const BasicAttributes<kCapacity>& attributes, int slot,
                                  BasicRules<kCapacity>& rules) {
  bind_quotas(request, rules);
  for (int k = 0; k < request.num_groups; ++k) block_groups(request, attributes, k, slot, rules);
}

template <int kCapacity>
GERANK_HOST_DEVICE bool breaks_spacing(const RequestView& request,
                                       const BasicAttributes<kCapacity>& attributes,
                                       const BasicRules<kCapacity>& rules, int slot,
                                       int candidate) {
  for (int k = 0; k < request.num_groups; ++k) {
    const int leader = attributes.group[k][candidate];
    if (leader < 0 || request.spacing[2 * k] <= 0) continue;
    if (request.spacing[2 * k + 1] <= 0 || rules.blocked[k][leader] == slot + 1) return true;
  }
  return false;
}

// What stands between the candidate and the open slot.
template <int kCapacity>
GERANK_HOST_DEVICE Obstacle obstacle(const RequestView& request,
                                     const BasicAttributes<kCapacity>& attributes,
                                     const BasicRules<kCapacity>& rules, int slot, int candidate) {
  if (!request.mask[candidate] || rules.taken[attributes.dedup[candidate]]) return kForbidden;
  const uint32_t flags = attributes.flags[candidate];
  if ((flags & rules.exhausted) || (flags & rules.required) != rules.required) {
    return kQuotaObstacle;
  }
  if (rules.has_spacing && breaks_spacing(request, attributes, rules, slot, candidate)) {
    return kSpacingObstacle;
  }
  return kNoObstacle;
}

// The report of a slot where every rule up to `dropped` had to go. A minimum that is out of reach
// is reported at every slot from where it is, whoever takes it.
template <int kCapacity>
GERANK_HOST_DEVICE int relaxed_bits(const BasicRules<kCapacity>& rules, Obstacle dropped) {
  if (dropped == kForbidden) return 0;
  const bool spacing = rules.has_spacing && dropped != kNoObstacle;
  const bool quotas = rules.out_of_reach || dropped == kQuotaObstacle;
  return (spacing ? kSpacingRelaxed : 0) | (quotas ? kQuotasRelaxed : 0);
}

// Records what the slot got: `candidate`, -1 for nothing. A pin's slot may be given another
// candidate only by a teacher; the pinned one stays reserved all the same.
template <int kCapacity>
GERANK_HOST_DEVICE void fill_slot(const RequestView& request,
                                  const BasicAttributes<kCapacity>& attributes, int slot,
                                  int candidate, BasicRules<kCapacity>& rules) {
  const int pin = static_cast<int>(request.pins[slot]);
  if (pin < 0) {
    rules.free_slots -= 1;
  } else {
    count_flags(attributes, request.num_flags, pin, -1, rules);
  }
  rules.occupant[slot] = static_cast<int16_t>(candidate);
  if (candidate < 0) return;
  uint8_t& taken = rules.taken[attributes.dedup[candidate]];
  rules.candidates_left -= taken == 0;
  taken = 1;
  count_flags(attributes, request.num_flags, candidate, 1, rules);
}

}  // namespace gerank
