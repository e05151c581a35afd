// How many requests of a batch are worked on together.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gerank::cpu {

// Requests that share a GRU step: enough for a matrix product, few enough that each of `threads`
// gets some and that their keys stay in a core's second-level cache beside the weights.
inline int64_t block_size(int64_t batch, int64_t request_bytes, int64_t threads) {
  constexpr int64_t kLeast = 4, kMost = 12, kCacheBytes = 512 << 10;
  const int64_t fitting =
      std::clamp<int64_t>(kCacheBytes / std::max<int64_t>(request_bytes, 1), kLeast, kMost);
  const int64_t share = (batch + threads - 1) / threads;
  const int64_t blocks = std::max<int64_t>((share + fitting - 1) / fitting, 1);
  return std::max<int64_t>((share + blocks - 1) / blocks, 1);
}

}  // namespace gerank::cpu
