// How large a forward pass can get.
#pragma once

#include <gerank/engine.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace gerank {

// The most queries that share a forward pass where the widest has so many candidates; at least 1.
inline std::size_t most_queries(const EngineOptions& options, std::int64_t candidates) {
  const auto width = static_cast<std::size_t>(std::max<std::int64_t>(candidates, 1));
  const std::size_t fit = std::max<std::size_t>(options.max_batch_candidates / width, 1);
  return std::min({options.max_batch, options.max_queue, fit});
}

// What one such query is of a full forward pass, in parts of kFullPass. Rounded up, so that a full
// one is not a little less.
inline constexpr std::int64_t kFullPass = std::int64_t{1} << 20;

inline std::int64_t share_of_pass(const EngineOptions& options, std::int64_t candidates) {
  const auto most = static_cast<std::int64_t>(most_queries(options, candidates));
  return (kFullPass + most - 1) / most;
}

}  // namespace gerank
