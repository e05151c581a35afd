// The candidates that may still be chosen, kept as a list: who is out costs nothing.
#pragma once

#include <cstdint>

#include "../../../decode/rules.h"

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
GERANK_HOST_DEVICE void strike(const Attributes& attributes, int candidate, CandidateList& list) {
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

// Those of the list that the open slot may take, after as little relaxation as leaves any.
// `obstacles` and `allowed` are memory for M entries.
GERANK_HOST_DEVICE AllowedList list_allowed(const RequestView& request,
                                            const Attributes& attributes, const Rules& rules,
                                            int slot, const CandidateList& list, uint8_t* obstacles,
                                            int16_t* allowed) {
  if (!rules.has_spacing && rules.required == 0 && rules.exhausted == 0) {
    return {list.of, list.size, 0};
  }
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

}  // namespace
}  // namespace gerank::cpu
