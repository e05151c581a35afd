// What a query must satisfy to be answered by one artifact: schema, limits, ranges of weights.
#pragma once

#include <gerank/export.h>
#include <gerank/model.h>
#include <gerank/query.h>
#include <gerank/status.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gerank {

// One feature of a user or of a candidate; see gerank/data/schema.py.
struct Feature {
  std::string name;
  bool dense = true;            // a float32; else an int64 id
  std::int64_t vocabulary = 0;  // of an id: its values are 0 .. vocabulary - 1, unless
  bool hashed = false;          // any int64 is a value
  std::int32_t column = 0;      // its place among the features of its side and kind
  bool optional = false;        // a query may leave it out; it then has
  float dense_default = 0;      // this value, or
  std::int64_t id_default = 0;  // this one
};

// What becomes of a feature that the artifact does not know.
enum class UnknownFeatures { kRefuse, kIgnore };

// The range of one utility's preference weight, and its default.
struct WeightRange {
  std::string utility;
  double minimum = 0, maximum = 0, standard = 0;
};

// What a query asks for where it does not say otherwise, in the columns of a PaddedBatch.
struct Preset {
  std::string name;
  std::vector<float> weights;         // [U]
  std::vector<std::int64_t> spacing;  // [K, 2] window and cap; a window of 0 is no rule
  std::vector<std::int64_t> quotas;   // [Q, 2] min and max; a max of -1 is no limit
  std::int64_t slots = 0;
  bool greedy = true;
  double temperature = 1.0;
};

// The limits of one artifact. Plain data; nothing changes it once it is read.
struct GERANK_EXPORT Contract {
  std::vector<Feature> user, candidate;  // in the order of the schema
  std::vector<std::string> groups, flags;
  std::vector<std::size_t> group_columns, flag_columns;  // their places among the candidates' ids
  std::int64_t max_candidates = 0, max_slots = 0;
  std::vector<WeightRange> weights;  // in the order of the model's columns

  Preset standard;  // for queries that name no preset
  std::vector<Preset> presets;

  // How many features of a side are of a kind.
  std::int32_t user_dense = 0, user_ids = 0, candidate_dense = 0, candidate_ids = 0;

  // The candidate features that are group keys or flags: what a query tells of the slots above it.
  std::vector<Feature> above;

  // Indices of the features, by name.
  std::vector<std::uint32_t> user_by_name, candidate_by_name, above_by_name;

  // Another one for every contract that is read; copies share it.
  std::uint64_t id = 0;

  // Reads the contract in `json`: an artifact's manifest, or what DescribeResponse.contract_json
  // holds. kFailedPrecondition if it is malformed.
  static Status parse(std::string_view json, Contract* contract) noexcept;

  // Where `query` starts from: the preset it names, or `standard` where it names none that is
  // known.
  const Preset& preset_of(const Query& query) const noexcept;

  // Whether `query` can be answered: kInvalidArgument for the first thing that is wrong with it,
  // naming field and value. The one place where that is decided, for every front. Thread-safe.
  //
  // With kIgnore, features that are not of the schema are passed over; `*ignored` becomes how many.
  Status check(const Query& query, UnknownFeatures unknown = UnknownFeatures::kRefuse,
               std::size_t* ignored = nullptr) const noexcept;

  // Checks queries and lets `use` see the batch that a model would get of them, which lives until
  // it returns. kInvalidArgument, whose field begins with `queries[i].`, for a query that cannot be
  // answered. Without queries `use` is not called.
  Status pad(std::span<const Query> queries,
             const std::function<void(const PaddedBatch&)>& use) const;
};

}  // namespace gerank
