// The context classes among the candidates of one slot: a handful of rows in place of one per
// candidate (see context_class in decode/local_context.h).
//
// From slot to slot few candidates change class: those of the groups that were placed or that are
// no longer recent. So the classes are kept up to date instead of computed anew.
#pragma once

#include <cstdint>

#include "../../../decode/local_context.h"

namespace gerank::cpu {
namespace {

// The members of every group as a chain: next[k][m] is the next candidate of m's group, -1: none.
struct GroupChains {
  int16_t next[kMaxGroupKeys][kMaxCandidates];
};

GERANK_HOST_DEVICE void find_chains(const RequestView& request, const Attributes& attributes,
                                    int16_t* last, GroupChains& chains) {
  for (int k = 0; k < request.num_groups; ++k) {
    for (int m = 0; m < request.num_candidates; ++m) {
      const int leader = attributes.group[k][m];
      chains.next[k][m] = -1;
      if (leader < 0) continue;
      if (leader != m) chains.next[k][last[leader]] = static_cast<int16_t>(m);
      last[leader] = static_cast<int16_t>(m);
    }
  }
}

// The classes of the candidates that may still be chosen.
class ContextClasses {
 public:
  // Classes that may be known at a time; one that nobody is in any more may come back.
  GERANK_HOST_DEVICE static int capacity(int num_candidates) { return 2 * num_candidates + 32; }

  // Once per request, before the first `begin`.
  GERANK_HOST_DEVICE void load() { generation_ = 0; }

  // All of `candidates` [count] in the class without any feature.
  GERANK_HOST_DEVICE void begin(const int16_t* candidates, int count, int num_candidates) {
    for (int m = 0; m < num_candidates; ++m) number_[m] = -1;
    for (int i = 0; i < count; ++i) number_[candidates[i]] = 0;
    for (int m = 0; m < num_candidates; ++m) bits_of_[m] = 0;
    table_size_ = table_size(capacity(num_candidates));
    reset();
    bits_[0] = 0;
    members_[0] = static_cast<int16_t>(count);
    size_ = 1;
    insert(0);
  }

  // No longer to be chosen.
  GERANK_HOST_DEVICE void remove(int candidate) {
    if (number_[candidate] < 0) return;
    members_[number_[candidate]] -= 1;
    number_[candidate] = -1;
  }

  GERANK_HOST_DEVICE void change(int candidate, uint32_t set, uint32_t clear, int num_candidates) {
    const uint32_t bits = (bits_of_[candidate] & ~clear) | set;
    if (bits == bits_of_[candidate]) return;
    bits_of_[candidate] = bits;
    if (number_[candidate] < 0) return;
    members_[number_[candidate]] -= 1;
    const int number = find(bits, num_candidates);
    members_[number] += 1;
    number_[candidate] = static_cast<int16_t>(number);
  }

  // Lists the classes in use: `bits` and `numbers` [result] of each, and `of` [count] where in the
  // list the class of each of `candidates` stands. A class keeps its number until `generation`
  // changes.
  GERANK_HOST_DEVICE int list(const int16_t* candidates, int count, uint32_t* bits,
                              int16_t* numbers, int16_t* of) {
    int used = 0;
    for (int c = 0; c < size_; ++c) {
      row_[c] = static_cast<int16_t>(used);
      bits[used] = bits_[c];
      numbers[used] = static_cast<int16_t>(c);
      used += members_[c] > 0;
    }
    for (int i = 0; i < count; ++i) of[i] = row_[number_[candidates[i]]];
    return used;
  }

  GERANK_HOST_DEVICE int generation() const { return generation_; }

 private:
  static constexpr int kMostClasses = 2 * kMaxCandidates + 32;
  static constexpr int kMostEntries = 4 * kMaxCandidates + 2048;  // a power of two above twice that

  void GERANK_HOST_DEVICE reset() {
    size_ = 0;
    generation_ += 1;
    for (int i = 0; i < table_size_; ++i) table_[i] = -1;
  }

  GERANK_HOST_DEVICE void insert(int number) {
    uint32_t at = hash_bits(bits_[number]) & (table_size_ - 1);
    while (table_[at] >= 0) at = (at + 1) & (table_size_ - 1);
    table_[at] = static_cast<int16_t>(number);
  }

  GERANK_HOST_DEVICE int find(uint32_t bits, int num_candidates) {
    uint32_t at = hash_bits(bits) & (table_size_ - 1);
    for (; table_[at] >= 0; at = (at + 1) & (table_size_ - 1)) {
      if (bits_[table_[at]] == bits) return table_[at];
    }
    if (size_ == capacity(num_candidates)) drop_unused(num_candidates);
    bits_[size_] = bits;
    members_[size_] = 0;
    insert(size_);
    return size_++;
  }

  // Makes room: there are never more classes in use than candidates.
  void drop_unused(int num_candidates) {
    int used = 0;
    for (int c = 0; c < size_; ++c) {
      row_[c] = static_cast<int16_t>(used);
      bits_[used] = bits_[c];
      members_[used] = members_[c];
      used += members_[c] > 0;
    }
    for (int m = 0; m < num_candidates; ++m) {
      if (number_[m] >= 0) number_[m] = row_[number_[m]];
    }
    reset();
    for (; size_ < used; ++size_) insert(size_);
  }

  int size_;
  int table_size_;
  int generation_;
  uint32_t bits_of_[kMaxCandidates];
  int16_t number_[kMaxCandidates];  // class of a candidate; -1: not to be chosen
  uint32_t bits_[kMostClasses];
  int16_t members_[kMostClasses];
  int16_t row_[kMostClasses];
  int16_t table_[kMostEntries];  // open addressing, by bits_
};

// After `candidate` (-1: none) took `slot`: from now on the classes are those of slot + 1.
// `occupant` [slot + 1] are the candidates placed so far; `present` the flags before this one.
GERANK_HOST_DEVICE void advance_context(const RequestView& request, const Attributes& attributes,
                                        const GroupChains& chains, const Prefix& prefix,
                                        uint32_t present, int64_t window, int slot, int candidate,
                                        const int16_t* occupant, ContextClasses& classes) {
  const int count = request.num_candidates;
  const uint32_t fresh = candidate < 0 ? 0 : attributes.flags[candidate] & ~present;
  for (int m = 0; fresh != 0 && m < count; ++m) {
    classes.change(m, attributes.flags[m] & fresh, 0, count);
  }
  const int64_t expired = slot - window;
  for (int k = 0; k < request.num_groups; ++k) {
    const uint32_t seen = 1u << (kSeenBit + k), recent = 1u << (kRecentBit + k);
    const int placed = candidate < 0 ? -1 : attributes.group[k][candidate];
    for (int m = placed; m >= 0; m = chains.next[k][m]) classes.change(m, seen | recent, 0, count);
    if (expired < 0 || occupant[expired] < 0) continue;
    const int leader = attributes.group[k][occupant[expired]];
    if (leader < 0 || prefix.last_slot[k][leader] != expired) continue;
    for (int m = leader; m >= 0; m = chains.next[k][m]) classes.change(m, 0, recent, count);
  }
}

// Calls `visit(row, value)` for every non-zero local-context feature of a class: `row` of the
// attention parameters, `value` of the feature.
template <typename scalar_t, typename Visit>
inline __attribute__((always_inline)) void for_each_feature(const Prefix& prefix,
                                                            const AttentionLayout& layout,
                                                            uint32_t bits, Visit visit) {
  const uint32_t all_flags = (1u << kMaxFlags) - 1, all_keys = (1u << kMaxGroupKeys) - 1;
  for (uint32_t left = bits & all_flags; left != 0; left &= left - 1) {
    const int q = __builtin_ctz(left);
    visit(layout.share(q), flag_share<scalar_t>(prefix, q));
  }
  for (uint32_t left = (bits >> kSeenBit) & all_keys; left != 0; left &= left - 1) {
    visit(layout.seen(__builtin_ctz(left)), scalar_t(1));
  }
  for (uint32_t left = bits >> kRecentBit; left != 0; left &= left - 1) {
    visit(layout.recent(__builtin_ctz(left)), scalar_t(1));
  }
}

}  // namespace
}  // namespace gerank::cpu
