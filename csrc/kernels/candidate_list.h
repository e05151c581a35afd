// The candidates that may still be chosen, kept as a list: who is out costs nothing.
#pragma once

#include <cstdint>

#include "../decode/rules.h"
#include "context_codes.h"

namespace gerank::cpu {
namespace {

struct CandidateList {
  int size;
  bool has_dedup;              // some candidates exclude others
  int16_t of[kMaxCandidates];  // real and not taken, ascending
};

GERANK_HOST_DEVICE void begin_list(const RequestView& request, const Attributes& attributes,
                                   const Rules& rules, CandidateList& list) {
  list.size = 0;
  list.has_dedup = false;
  for (int m = 0; m < request.num_candidates; ++m) {
    list.has_dedup |= attributes.dedup[m] != m;
    list.of[list.size] = static_cast<int16_t>(m);
    list.size += request.mask[m] && !rules.taken[attributes.dedup[m]];
  }
}

// Takes off the list `candidate`, which was just placed, and who it excludes.
GERANK_HOST_DEVICE void remove_excluded(const Attributes& attributes, int candidate,
                                        CandidateList& list) {
  const int leader = attributes.dedup[candidate];
  int kept = 0;
  if (!list.has_dedup) {  // it alone
    while (kept < list.size && list.of[kept] != candidate) ++kept;
    if (kept == list.size) return;  // a pin, off the list from the start
    list.size -= 1;
    __builtin_memmove(list.of + kept, list.of + kept + 1, (list.size - kept) * sizeof(int16_t));
    return;
  }
  for (int i = 0; i < list.size; ++i) {
    const int16_t m = list.of[i];
    list.of[kept] = m;
    kept += attributes.dedup[m] != leader;
  }
  list.size = kept;
}

struct AllowedList {
  const int16_t* candidates;  // ascending
  int size;
  int relaxed;  // bits of the op's output
};

// Marks the members of the groups that may not take the open slot: whoever stands in a run with it
// shows which they are. False where a cap of 0 bars every group.
GERANK_HOST_DEVICE bool mark_spacing(const RequestView& request, const Attributes& attributes,
                                     const GroupChains& chains, const Rules& rules, int slot,
                                     uint8_t* marks) {
  for (int k = 0; k < request.num_groups; ++k) {
    const int64_t window = request.spacing[2 * k];
    if (window <= 0) continue;
    if (request.spacing[2 * k + 1] <= 0) return false;
    const int reach = static_cast<int>(window < request.slots ? window : request.slots) - 1;
    const int end = slot + reach < request.slots ? slot + reach + 1 : request.slots;
    for (int j = slot > reach ? slot - reach : 0; j < end; ++j) {
      const int occupant = rules.occupant[j];
      const int leader = occupant < 0 ? -1 : attributes.group[k][occupant];
      if (leader < 0 || rules.blocked[k][leader] != slot + 1) continue;
      for (int m = leader; m >= 0; m = chains.next[k][m]) marks[m] = 1;
    }
  }
  return true;
}

// Marks who has a flag too many or lacks one.
GERANK_HOST_DEVICE void mark_quotas(const Attributes& attributes, const Rules& rules, int count,
                                    uint8_t* marks) {
  const uint32_t exhausted = rules.exhausted, required = rules.required;
  if (exhausted == 0 && required == 0) return;
  for (int m = 0; m < count; ++m) {
    const uint32_t flags = attributes.flags[m];
    marks[m] |= (flags & exhausted) != 0 || (flags & required) != required;
  }
}

// Lists the candidates that the open slot may take, after as little relaxation as leaves any.
// `obstacles` and `allowed` are memory for M entries.
GERANK_HOST_DEVICE AllowedList list_relaxed(const RequestView& request,
                                            const Attributes& attributes, const Rules& rules,
                                            int slot, const CandidateList& list, uint8_t* obstacles,
                                            int16_t* allowed) {
  int least = kForbidden;
  for (int i = 0; i < list.size; ++i) {
    const int found = obstacle(request, attributes, rules, slot, list.of[i]);
    obstacles[i] = static_cast<uint8_t>(found);
    least = found < least ? found : least;
  }
  if (least == kForbidden) return {allowed, 0, 0};
  int size = 0;
  for (int i = 0; i < list.size; ++i) {
    allowed[size] = list.of[i];
    size += obstacles[i] <= least;
  }
  return {allowed, size, relaxed_bits(rules, static_cast<Obstacle>(least))};
}

// The same. Mostly some candidates break no rule, and these are found without asking each of them.
GERANK_HOST_DEVICE AllowedList list_allowed(const RequestView& request,
                                            const Attributes& attributes, const GroupChains& chains,
                                            const Rules& rules, int slot, const CandidateList& list,
                                            uint8_t* obstacles, int16_t* allowed) {
  if (!rules.has_spacing && rules.required == 0 && rules.exhausted == 0) {
    return {list.of, list.size, 0};
  }
  __builtin_memset(obstacles, 0, request.num_candidates);
  if (mark_spacing(request, attributes, chains, rules, slot, obstacles)) {
    mark_quotas(attributes, rules, request.num_candidates, obstacles);
    int size = 0;
    for (int i = 0; i < list.size; ++i) {
      allowed[size] = list.of[i];
      size += obstacles[list.of[i]] == 0;
    }
    if (size > 0) return {allowed, size, relaxed_bits(rules, kNoObstacle)};
  }
  return list_relaxed(request, attributes, rules, slot, list, obstacles, allowed);
}

}  // namespace
}  // namespace gerank::cpu
