// Pieces of a block's dynamic shared memory.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace gerank::cuda {

// Hands out pieces of a memory that starts at `start`, aligned to 16 bytes. On the host `start` is
// null and only `used` counts.
struct Carver {
  unsigned char* start;
  size_t used;

  template <typename value_t>
  __host__ __device__ value_t* take(int count) {
    value_t* piece = reinterpret_cast<value_t*>(start + used);
    used += (count * sizeof(value_t) + 15) / 16 * 16;
    return piece;
  }
};

}  // namespace gerank::cuda
