// One page to re-rank, and its slate: plain data, columnar, as protos/gerank/v1/rerank.proto has
// it.
//
// A Query owns nothing. Every span, pointer and string_view in it must stay valid, and what it
// points at unchanged, until the call that was given the query has ended: rank() has returned, or
// the callback of submit() has run. Nothing is copied but the numbers, once, into the padded batch.
//
// Letters: M candidates, N slots, F features of one block.
#pragma once

#include <gerank/export.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gerank {

// The numbers of a FeatureBlock: little-endian.
enum class ColumnType : std::uint8_t {
  kFloat32,  // dense features
  kFloat64,  // dense features; a value beyond float32 is an error
  kInt64,    // id features; dense ones too, which they become
};

// Values of features of one type. A block of one name is a column; a block of several names is the
// columns side by side, row by row: all values of the first row, then of the second.
struct FeatureBlock {
  std::span<const std::string_view> names;  // [F], as in the artifact's schema; at least one
  ColumnType type = ColumnType::kFloat32;
  const void* values =
      nullptr;            // [rows, F], at any alignment; rows: 1 for the user, M for candidates
  std::size_t bytes = 0;  // rows * F * 4 (kFloat32) or * 8
  // From new_names_id(): the caller's word that every block of this id has these names in this
  // order. Such names are looked up when they first come, and not again. 0: no such word.
  std::uint64_t names_id = 0;
};

// An id that no list of names in this process has yet. Thread-safe.
GERANK_EXPORT std::uint64_t new_names_id() noexcept;

// Puts a candidate into a slot, with log_prob 0. At most one pin per slot, per candidate and per
// dedup key.
struct Pin {
  std::int64_t slot = 0;       // 0 to slots - 1
  std::int64_t candidate = 0;  // 0 to M - 1
};

// A key per candidate. Of the candidates with equal keys at most one is chosen.
struct DedupKeys {
  const void* values = nullptr;   // [M] int64, little-endian, at any alignment; all int64 are keys
  std::size_t bytes = 0;          // M * 8
  std::span<const bool> present;  // [M] false: this candidate has no key. Empty: every one has
};

// What stands directly above this page in an endless feed: the A last slots shown, from top to
// bottom. Spacing windows and the local context look back into it, and a candidate of a dedup key
// that was shown there is not chosen again. Quotas and slots are those of this page alone.
struct Above {
  std::int64_t count = 0;  // A; 0: nothing stands above. M + A at most 512, slots + A at most 128

  // Every group key and flag of the artifact's schema, once, [A, F] values each; no other feature.
  std::span<const FeatureBlock> features;

  std::optional<DedupKeys> dedup_keys;  // [A]; equal to those of candidates where the item is
};

// At most `cap` candidates of any one group of a group key in any `window` slots in a row.
struct Spacing {
  std::string_view group;   // a group key of the artifact's schema; at most one rule for each
  std::int64_t window = 0;  // 1 to 2^31 - 1
  std::int64_t cap = 0;     // 1 to 2^31 - 1
};

// At least `min` and at most `max` candidates with a flag.
struct Quota {
  std::string_view flag;  // a flag of the artifact's schema; at most one rule for each
  std::int64_t min = 0;   // 0 to 2^31 - 1
  std::optional<std::int64_t> max = std::nullopt;  // min to 2^31 - 1; absent: no limit
};

// The preference weight of one utility, within the artifact's range.
struct Weight {
  std::string_view utility;
  double value = 0;
};

// One user, M candidates, and the rules of their slate.
struct Query {
  // M: 1 to the artifact's limit.
  std::int64_t candidate_count = 0;

  // Every feature of the artifact's schema, once; no other.
  std::span<const FeatureBlock> user_features;
  std::span<const FeatureBlock> candidate_features;

  // [M] names, distinct, UTF-8; or none. The engine checks that they are distinct and shows them in
  // messages. Answers tell candidates by index.
  std::span<const std::string_view> candidate_ids;

  // One of the artifact's presets, or empty. What the query says itself goes before it: weights by
  // utility, spacing by group key, quotas by flag, then slots, greedy and temperature. What neither
  // says is as below.
  std::string_view preset;

  // Slots to fill, 1 to the artifact's limit; absent: as many as that. More slots than candidates
  // are no error: the slate is shorter.
  std::optional<std::int64_t> slots;

  std::span<const Pin> pins;
  std::optional<DedupKeys> dedup_keys;
  Above above;
  std::span<const Spacing> spacing;
  std::span<const Quota> quotas;

  // The artifact's default where not named; of a utility that is named twice, the last counts.
  std::span<const Weight> weights;

  // The 64 bits that sampling starts from. Absent: 0 if greedy, else drawn, and told in the slate.
  std::optional<std::uint64_t> seed;

  // True: the most probable candidate, ties to the lower index. False: a draw. Absent: true.
  std::optional<bool> greedy;

  // Divides the logits: 0.001 to 1000. Absent: 1.
  std::optional<double> temperature;
};

// The rules that may be dropped at a slot where no candidate would be left: bits of Slate::relaxed.
enum RelaxedRule : std::uint8_t { kRelaxedSpacing = 1, kRelaxedQuotas = 2 };

enum class UnmetRule : std::uint8_t { kSpacing = 1, kQuota = 2, kPin = 3, kDedup = 4 };

// A rule of the query that its finished slate does not satisfy, whoever is at fault: too few
// candidates, a pin, or a model of one's own.
struct Unmet {
  UnmetRule rule = UnmetRule::kSpacing;
  std::string name;                 // the group key or the flag; empty for pins and dedup keys
  std::int64_t wanted = 0;          // the cap, the minimum or the maximum, the pinned candidate, 1
  std::int64_t got = 0;             // the most of one group in a window, the members, ...
  std::vector<std::int32_t> slots;  // of this page, that take part; ascending
};

// The answer to one query. The vectors are parallel: an entry per filled slot, slots ascending. A
// slot that no candidate could fill has no entry.
//
// A Slate that is used again keeps the memory of its vectors.
struct Slate {
  std::vector<std::int32_t> slots;
  std::vector<std::int32_t> candidates;  // indices into the query's candidates
  std::vector<float> log_prob;           // of each choice, given the choices before it; 0 for a pin
  std::vector<std::uint8_t> relaxed;     // bits of RelaxedRule, dropped at this slot only
  std::vector<Unmet> unmet;              // usually none
  std::uint64_t seed = 0;                // the one that was used
};

}  // namespace gerank
