// The local contexts of a request's candidates, as short codes.
//
// A candidate's c_nm is told by its flags and, per group key, by whether its group is in the prefix
// and whether it is recent. Of the flags there are few patterns; the group keys make a number in
// base 3. So e^2(W_c c) is a product of a pattern's factor and of an entry of a table, and from
// slot to slot only the codes of the groups that were placed, or are no longer recent, change.
#pragma once

#include <cstdint>

#include "../decode/local_context.h"
#include "../decode/weights.h"

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

// Group keys that make one code, and the codes they make: a digit per key, 0: the group is not in
// the prefix, 1: it is, 2: it is recent.
constexpr int kKeysPerCode = 4;
constexpr int kCodes = 81;
constexpr int kMostCodeSets = (kMaxGroupKeys + kKeysPerCode - 1) / kKeysPerCode;
constexpr uint8_t kDigitValue[kKeysPerCode] = {1, 3, 9, 27};

GERANK_HOST_DEVICE int code_sets(int num_groups) {
  return (num_groups + kKeysPerCode - 1) / kKeysPerCode;
}

class ContextCodes {
 public:
  // Once per request.
  GERANK_HOST_DEVICE void load(const RequestView& request, const Attributes& attributes,
                               LeaderTable& table) {
    patterns_ = 1;
    bits_[0] = 0;
    for (int m = 0; m < request.num_candidates; ++m) pattern_[m] = 0;
    if (request.num_flags > 0) find_patterns(request.num_candidates, attributes, table);
  }

  // Before the first slot: nothing is in the prefix.
  GERANK_HOST_DEVICE void begin(const RequestView& request) {
    const int count = request.num_candidates;
    for (int set = 0; set < code_sets(request.num_groups); ++set) {
      __builtin_memset(code_[set], 0, count);
    }
    for (int k = 0; k < request.num_groups; ++k) __builtin_memset(digit_[k], 0, count);
  }

  // After `candidate` (-1: none) took `slot`: from now on the codes are those of slot + 1.
  // `occupant` [slot + 1] are the candidates placed so far.
  GERANK_HOST_DEVICE void advance(const RequestView& request, const Attributes& attributes,
                                  const GroupChains& chains, const Prefix& prefix, int64_t window,
                                  int slot, int candidate, const int16_t* occupant) {
    const int64_t expired = slot - window;
    const int leaver = expired < 0 ? -1 : occupant[expired];
    for (int k = 0; k < request.num_groups; ++k) {
      const int placed = candidate < 0 ? -1 : attributes.group[k][candidate];
      if (placed >= 0) set_digit(k, placed, 2, chains);
      const int leader = leaver < 0 ? -1 : attributes.group[k][leaver];
      if (leader >= 0 && prefix.last_slot[k][leader] == expired) set_digit(k, leader, 1, chains);
    }
  }

  GERANK_HOST_DEVICE int patterns() const { return patterns_; }
  GERANK_HOST_DEVICE uint32_t pattern_bits(int pattern) const { return bits_[pattern]; }
  GERANK_HOST_DEVICE int pattern(int candidate) const { return pattern_[candidate]; }
  GERANK_HOST_DEVICE int code(int set, int candidate) const { return code_[set][candidate]; }

 private:
  GERANK_HOST_DEVICE void find_patterns(int count, const Attributes& attributes,
                                        LeaderTable& table) {
    const int size = table_size(count);
    for (int i = 0; i < size; ++i) table.entry[i] = -1;
    patterns_ = 0;
    for (int m = 0; m < count; ++m) {
      const uint32_t bits = attributes.flags[m];
      uint32_t at = hash_bits(bits) & (size - 1);
      while (table.entry[at] >= 0 && bits_[table.entry[at]] != bits) at = (at + 1) & (size - 1);
      if (table.entry[at] < 0) {
        bits_[patterns_] = static_cast<uint16_t>(bits);
        table.entry[at] = static_cast<int16_t>(patterns_++);
      }
      pattern_[m] = table.entry[at];
    }
  }

  // All members of a group have one digit; it is kept under the leader.
  GERANK_HOST_DEVICE void set_digit(int key, int leader, int digit, const GroupChains& chains) {
    const int change = (digit - digit_[key][leader]) * kDigitValue[key % kKeysPerCode];
    if (change == 0) return;
    digit_[key][leader] = static_cast<uint8_t>(digit);
    uint8_t* code = code_[key / kKeysPerCode];
    for (int m = leader; m >= 0; m = chains.next[key][m]) {
      code[m] = static_cast<uint8_t>(code[m] + change);
    }
  }

  int patterns_;
  uint16_t bits_[kMaxCandidates];    // of a pattern
  int16_t pattern_[kMaxCandidates];  // of a candidate
  uint8_t code_[kMostCodeSets][kMaxCandidates];
  uint8_t digit_[kMaxGroupKeys][kMaxCandidates];  // by leader
};

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
