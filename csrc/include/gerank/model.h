// What runs a padded batch. An artifact's generator is one; a program may bring another.
//
// Letters: B queries, M candidates, N slots, K group keys, Q flags, U utilities; F dense and I id
// features of a side.
#pragma once

#include <gerank/export.h>
#include <gerank/status.h>

#include <cstdint>

namespace gerank {

// B queries, padded to common M and N: gerank.data.batch.RerankBatch as contiguous, row-major
// arrays. Padding is told by the mask or by -1, never by a value of a feature.
struct PaddedBatch {
  std::int64_t B = 0, M = 0, N = 0;
  std::int64_t user_dense_width = 0, user_ids_width = 0;
  std::int64_t candidate_dense_width = 0, candidate_ids_width = 0;
  std::int64_t groups = 0, flags = 0, utilities = 0;  // K, Q, U

  const float* user_dense = nullptr;            // [B, F]
  const std::int64_t* user_ids = nullptr;       // [B, I]
  const float* candidate_dense = nullptr;       // [B, M, F]
  const std::int64_t* candidate_ids = nullptr;  // [B, M, I]
  const bool* candidate_mask = nullptr;         // [B, M]
  const float* weights = nullptr;               // [B, U]
  const std::int64_t* pins = nullptr;           // [B, N]
  const std::int64_t* dedup_keys = nullptr;     // [B, M]
  const std::int64_t* spacing = nullptr;        // [B, K, 2]
  const std::int64_t* quotas = nullptr;         // [B, Q, 2]
  const std::int64_t* slots = nullptr;          // [B]
  const float* temperature = nullptr;           // [B]
  const std::int64_t* seeds = nullptr;          // [B]
  const bool* greedy = nullptr;                 // [B]

  // Whether it is the same memory in the same shape; the numbers in it may differ.
  bool operator==(const PaddedBatch&) const = default;
};

// Where a model puts its answer: gerank.data.batch.Slates. The caller owns the arrays.
struct PaddedAnswer {
  std::int64_t* slates = nullptr;   // [B, N] chosen candidate; -1 where there is none
  float* log_prob = nullptr;        // [B, N]
  std::int64_t* relaxed = nullptr;  // [B, N] bits of RelaxedRule
};

// Thread-safe: run() is called from any number of threads at once.
class GERANK_EXPORT Model {
 public:
  virtual ~Model() = default;

  // Answers a batch of queries that were checked; B >= 1. Must not throw.
  virtual Status run(const PaddedBatch& batch, const PaddedAnswer& answer) const = 0;
};

}  // namespace gerank
