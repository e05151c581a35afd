// Counting values by powers of two.
#pragma once

#include <gerank/engine.h>

#include <algorithm>
#include <bit>
#include <cstdint>

namespace gerank {

inline void record(EngineStats::Histogram* histogram, std::int64_t value) {
  const auto whole = static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0));
  const auto bucket = static_cast<std::size_t>(whole <= 1 ? 0 : std::bit_width(whole - 1));
  ++histogram->buckets[std::min(bucket, histogram->buckets.size() - 1)];
  ++histogram->count;
  histogram->sum += whole;
}

}  // namespace gerank
