// Which version answers the calls that name a model and no version.
#pragma once

#include <gerank/status.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gerank::server {

// Counts the queries that an arm answered, or did not, by the outcomes of gerank_queries_total. Any
// thread may count and read.
class ArmCounts {
 public:
  static constexpr std::array<std::string_view, 6> kOutcomes{"answered", "malformed", "refused",
                                                             "expired",  "cancelled", "failed"};

  // Counts queries of a call that ended with this code.
  void add(Code code, std::size_t queries);

  std::uint64_t get(std::size_t outcome) const {
    return counts_[outcome].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kOutcomes.size()> counts_{};
};

// One version of a split, and its share of the calls.
struct Arm {
  std::string name;  // as answers and the exposure log tell it; empty: none is told
  std::string version;
  std::uint32_t weight = 1;           // above 0
  std::shared_ptr<ArmCounts> counts;  // null: nothing is counted
};

// The arms of one model. Immutable but for the counts; thread-safe.
class ModelRoute {
 public:
  // There must be an arm, and their weights must add up to less than 2^32.
  ModelRoute(const std::string& model, std::vector<Arm> arms);

  // The arm of this key: the same in every process that has arms of the same weights in the same
  // order. With h the hash of the text `model/key` (exposures/stable_hash.h) and W the sum of the
  // weights it is the first arm for which the weights up to and with it exceed (h >> 32) * W >> 32.
  const Arm& choose(std::string_view key) const;

  const std::vector<Arm>& arms() const { return arms_; }
  std::uint64_t total_weight() const { return total_; }

 private:
  const std::uint64_t salt_;  // the hash of `model/`
  const std::vector<Arm> arms_;
  std::uint64_t total_ = 0;
};

}  // namespace gerank::server
