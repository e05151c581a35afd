// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3" (SC 2011): a draw is a pure function of (seed, candidate, slot, slate), so it depends
// neither on the batch a request travels in, nor on threads, nor on the device.
#pragma once

#include <cstdint>

#include "host_device.h"

namespace gerank {

struct PhiloxBlock {
  uint32_t word[4];
};

// The block of four 32-bit words at `counter` under the key `seed` (low word first).
GERANK_HOST_DEVICE PhiloxBlock philox(uint64_t seed, uint32_t counter0, uint32_t counter1,
                                      uint32_t counter2, uint32_t counter3) {
  uint32_t key0 = static_cast<uint32_t>(seed);
  uint32_t key1 = static_cast<uint32_t>(seed >> 32);
  PhiloxBlock block = {{counter0, counter1, counter2, counter3}};
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * block.word[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * block.word[2];
    block = {{static_cast<uint32_t>(product1 >> 32) ^ block.word[1] ^ key0,
              static_cast<uint32_t>(product1),
              static_cast<uint32_t>(product0 >> 32) ^ block.word[3] ^ key1,
              static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return block;
}

// The draws of candidates 4 * quad .. 4 * quad + 3 at one slot of one slate.
GERANK_HOST_DEVICE PhiloxBlock candidate_draws(uint64_t seed, int quad, int slot, int slate) {
  return philox(seed, static_cast<uint32_t>(quad), static_cast<uint32_t>(slot),
                static_cast<uint32_t>(slate), 0);
}

// A word as a number strictly between 0 and 1. In double, because x + 0.5 needs 25 bits: in float
// the largest word would round to 1, whose Gumbel noise is infinite.
GERANK_HOST_DEVICE double open_uniform(uint32_t word) {
  return (static_cast<double>(word >> 8) + 0.5) * 0x1p-24;
}

}  // namespace gerank
