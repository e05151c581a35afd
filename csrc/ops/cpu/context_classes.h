// The context classes among the candidates of one slot: a handful of rows in place of one per
// candidate (see context_class in decode/local_context.h).
#pragma once

#include <cstdint>

#include "../../decode/local_context.h"

namespace gerank::cpu {

struct ContextClasses {
  int size;                       // classes found
  uint32_t bits[kMaxCandidates];  // of each class
  int16_t of[kMaxCandidates];     // class of the i-th candidate that was asked for
  LeaderTable table;
};

// Numbers the classes of `candidates` [count] in the order of their first member.
inline void find_classes(const RequestView& request, const Attributes& attributes,
                         const Prefix& prefix, int slot, int64_t window, const int16_t* candidates,
                         int count, ContextClasses& classes) {
  const uint32_t size = table_size(count);
  for (uint32_t i = 0; i < size; ++i) classes.table.entry[i] = -1;
  classes.size = 0;
  for (int i = 0; i < count; ++i) {
    const uint32_t bits =
        context_class(attributes, prefix, request.num_groups, slot, window, candidates[i]);
    uint32_t at = hash_bits(bits) & (size - 1);
    while (classes.table.entry[at] >= 0 && classes.bits[classes.table.entry[at]] != bits) {
      at = (at + 1) & (size - 1);
    }
    if (classes.table.entry[at] < 0) {
      classes.table.entry[at] = static_cast<int16_t>(classes.size);
      classes.bits[classes.size++] = bits;
    }
    classes.of[i] = classes.table.entry[at];
  }
}

// Calls `visit(row, value)` for every non-zero local-context feature of a class: `row` of the
// attention parameters, `value` of the feature.
template <typename scalar_t, typename Visit>
void for_each_feature(const Prefix& prefix, const AttentionLayout& layout, uint32_t bits,
                      Visit visit) {
  for (int64_t q = 0; q < layout.num_flags; ++q) {
    if ((bits >> q) & 1) visit(layout.share(q), flag_share<scalar_t>(prefix, static_cast<int>(q)));
  }
  for (int64_t k = 0; k < layout.num_groups; ++k) {
    if ((bits >> (kSeenBit + k)) & 1) visit(layout.seen(k), scalar_t(1));
  }
  for (int64_t k = 0; k < layout.num_groups; ++k) {
    if ((bits >> (kRecentBit + k)) & 1) visit(layout.recent(k), scalar_t(1));
  }
}

}  // namespace gerank::cpu
