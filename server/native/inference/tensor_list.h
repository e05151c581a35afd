// The tensors that a model takes and gives: one list for those who ask and for those who read.
//
// Features are `user.NAME`, `candidates.NAME` and `above.NAME`, and rules of a group key, a flag or
// a utility are `spacing.GROUP`, `quotas.FLAG` and `weights.UTILITY`. All others are in the tables
// below.
#pragma once

#include <gerank/contract.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data_type.h"

namespace gerank::server::inference {

// The axes of a tensor behind that of the B pages of a batch. A last axis of 1 may be left out.
enum class Extent {
  kPage,        // [B, 1]
  kPair,        // [B, 2]
  kSlots,       // [B, N]
  kCandidates,  // [B, M]
  kAbove,       // [B, A], the slots above the page
  kUnmet,       // [B, K], rules that are not satisfied
  kUnmetSlots,  // [B, K, S], the slots that take part
};

struct TensorKind {
  std::string_view name;
  DataType type;
  Extent extent;
};

// What a page says beside its features and the rules of group keys, flags and utilities. A call may
// leave out each.
enum class Part : std::uint8_t {
  kCandidateCount,     // real candidates of the page, the first ones; default: M
  kCandidateIds,       // as Query.candidate_ids
  kPageIds,            // names the page in the exposure log, as Query.id
  kPreset,             // as Query.preset; an empty text is none
  kSlots,              // as Query.slots; 0 leaves it to the preset
  kPins,               // per slot its candidate, or -1
  kDedupKeys,          // as Query.dedup_keys
  kDedupPresent,       // false: this candidate has no key
  kSeed,               // as Query.seed
  kGreedy,             // as Query.greedy
  kTemperature,        // as Query.temperature
  kAboveCount,         // real slots above the page, the first ones; default: A
  kAboveDedupKeys,     // as Above.dedup_keys
  kAboveDedupPresent,  // false: this slot has no key
};

inline constexpr std::array<TensorKind, 14> kParts{{
    {"candidate_count", DataType::kInt32, Extent::kPage},
    {"candidate_ids", DataType::kBytes, Extent::kCandidates},
    {"page_ids", DataType::kBytes, Extent::kPage},
    {"preset", DataType::kBytes, Extent::kPage},
    {"slots", DataType::kInt32, Extent::kPage},
    {"pins", DataType::kInt32, Extent::kSlots},
    {"dedup_keys", DataType::kInt64, Extent::kCandidates},
    {"dedup_present", DataType::kBool, Extent::kCandidates},
    {"seed", DataType::kUint64, Extent::kPage},
    {"greedy", DataType::kBool, Extent::kPage},
    {"temperature", DataType::kFp64, Extent::kPage},
    {"above_count", DataType::kInt32, Extent::kPage},
    {"above_dedup_keys", DataType::kInt64, Extent::kAbove},
    {"above_dedup_present", DataType::kBool, Extent::kAbove},
}};

enum class Output : std::uint8_t {
  kOrder,         // per slot its candidate, or -1 where none fills it
  kCandidateIds,  // per slot the id of that candidate, or an empty text
  kLogProb,       // per slot, as Slate.log_prob; 0 where none fills it
  kRelaxed,       // per slot the bits of the rules dropped there: 1 spacing, 2 quotas
  kSeed,          // as Slate.seed
  kUnmetRule,     // per rule that is not satisfied its number in gerank.v1.Rule; 0: no more
  kUnmetName,     // its group key or flag
  kUnmetWanted,   // as UnmetRule.wanted
  kUnmetGot,      // as UnmetRule.got
  kUnmetSlots,    // as UnmetRule.slots; -1: no more
};

inline constexpr std::array<TensorKind, 10> kOutputs{{
    {"order", DataType::kInt32, Extent::kSlots},
    {"candidate_ids", DataType::kBytes, Extent::kSlots},
    {"log_prob", DataType::kFp32, Extent::kSlots},
    {"relaxed", DataType::kInt32, Extent::kSlots},
    {"seed", DataType::kUint64, Extent::kPage},
    {"unmet_rule", DataType::kInt32, Extent::kUnmet},
    {"unmet_name", DataType::kBytes, Extent::kUnmet},
    {"unmet_wanted", DataType::kInt64, Extent::kUnmet},
    {"unmet_got", DataType::kInt64, Extent::kUnmet},
    {"unmet_slots", DataType::kInt32, Extent::kUnmetSlots},
}};

inline constexpr std::size_t kNoTensor = static_cast<std::size_t>(-1);

// The place of a name in one of the tables; kNoTensor where it is not there.
template <std::size_t kSize>
constexpr std::size_t place_of(const std::array<TensorKind, kSize>& kinds, std::string_view name) {
  for (std::size_t i = 0; i < kSize; ++i) {
    if (kinds[i].name == name) return i;
  }
  return kNoTensor;
}

// One tensor of one model, as its metadata tells it.
struct ToldTensor {
  std::string name;
  DataType type;
  std::vector<std::int64_t> shape;  // [B, ...]; -1 where calls choose a size
  bool is_optional;
};

std::vector<ToldTensor> inputs_of(const Contract& contract);
std::vector<ToldTensor> outputs();

}  // namespace gerank::server::inference
