// Stands in for CUDA's own header, so that a plain C++ compiler builds the kernels and a CPU runs
// them: every CUDA thread of a block is a fiber, barriers and warp exchanges are real.
//
// What it finds, which a compiler does not: threads that read what is not written yet (the order
// of the fibers is random, shared memory is poisoned), barriers that some threads never reach,
// warp exchanges among threads that disagree about them, writes beyond the shared memory. What it
// cannot find: a missing __syncwarp beside a shuffle or ballot (which order no memory on a GPU),
// the accuracy of a GPU's fast instructions, races within global memory between blocks (these run
// one after another), and anything about speed.
#pragma once

#include <math.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess = 0, cudaErrorLaunchFailure = 719 };

namespace shim {

enum class Exchange { kSync, kBallot, kShuffle, kShuffleXor };

// Runs all blocks, one after another.
cudaError_t launch(const std::function<void()>& kernel, int blocks, int threads,
                   size_t shared_bytes);
unsigned char* shared_memory();

// The number of a barrier in the source; the same for all instances of a template. `scope` is what
// it holds together: "block" or "warp".
int site(const char* scope, const char* file, int line);
void barrier(int site);
void warp_barrier(int site, unsigned mask);
// Waits for the threads of `mask`, and returns what the calling one gets from them.
uint64_t exchange(Exchange kind, unsigned mask, uint64_t value, int argument);

template <typename value_t>
value_t exchange_value(Exchange kind, unsigned mask, value_t value, int argument) {
  static_assert(sizeof(value_t) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(value_t));
  bits = exchange(kind, mask, bits, argument);
  std::memcpy(&value, &bits, sizeof(value_t));
  return value;
}

}  // namespace shim

#define GERANK_SHIM_SITE(scope)                                      \
  ([] {                                                              \
    static const int number = shim::site(scope, __FILE__, __LINE__); \
    return number;                                                   \
  }())
#define __syncthreads() shim::barrier(GERANK_SHIM_SITE("block"))
#define __syncwarp() shim::warp_barrier(GERANK_SHIM_SITE("warp"), 0xffffffffu)

template <typename value_t>
value_t __shfl_xor_sync(unsigned mask, value_t value, int step) {
  return shim::exchange_value(shim::Exchange::kShuffleXor, mask, value, step);
}

template <typename value_t>
value_t __shfl_sync(unsigned mask, value_t value, int source) {
  return shim::exchange_value(shim::Exchange::kShuffle, mask, value, source);
}

inline unsigned __ballot_sync(unsigned mask, bool condition) {
  return static_cast<unsigned>(shim::exchange(shim::Exchange::kBallot, mask, condition, 0));
}

// Fibers change only at barriers and exchanges: what lies between is atomic anyway.
inline unsigned atomicMax(unsigned* address, unsigned value) {
  const unsigned before = *address;
  *address = value > before ? value : before;
  return before;
}

inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __ffs(int value) { return __builtin_ffs(value); }
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
