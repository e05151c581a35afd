// The numbers that the options of an engine take.
#pragma once

#include <gerank/status.h>

#include <cstdint>
#include <string>

namespace gerank {

// The integers from `low` to `high`, both included.
struct OptionRange {
  std::int64_t low, high;

  // kInvalidArgument, with field, value and range, unless `value` is one of them.
  Status check(const char* field, std::int64_t value) const {
    if (value >= low && value <= high) return {};
    return Status::invalid(
        field, std::to_string(value),
        "must be an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]");
  }
};

// These are the ranges of EngineOptions. Their highest numbers are far above what helps, and far
// below what overflows.
namespace option_ranges {

inline constexpr OptionRange kWorkers{1, 1024};
inline constexpr OptionRange kIntraOpThreads{1, 1024};
inline constexpr OptionRange kMaxBatch{1, 1'000'000};
inline constexpr OptionRange kMaxBatchCandidates{1, 100'000'000};
inline constexpr OptionRange kMaxDelayUs{0, 60'000'000};
inline constexpr OptionRange kSpinUs{0, 1'000'000};
inline constexpr OptionRange kMaxQueue{1, 1'000'000};
inline constexpr OptionRange kMaxQueries{1, 100'000};

}  // namespace option_ranges
}  // namespace gerank
