// What kernels need of the machine: launches, dynamic shared memory, and sums over a warp.
//
// Kernels take one Params struct by value and see no torch header, so that nvcc compiles them in
// seconds and a plain C++ compiler can, too: tests/cuda/shim has a cuda_runtime.h that runs every
// CUDA thread as a fiber. For its sake blocks keep all shared memory in the dynamic part.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace gerank::cuda {

constexpr int kWarp = 32;
constexpr unsigned kWholeWarp = 0xffffffffu;

#if defined(__CUDACC__)

// The block's dynamic shared memory.
__device__ __forceinline__ unsigned char* shared_memory() {
  extern __shared__ __align__(16) unsigned char memory[];
  return memory;
}

// Queues `kernel` on `stream`; what went wrong with the launch itself comes back.
template <typename Params>
cudaError_t launch(void (*kernel)(Params), const Params& params, int blocks, int threads,
                   size_t shared_bytes, cudaStream_t stream) {
  const cudaError_t error = cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
  if (error != cudaSuccess) return error;
  kernel<<<blocks, threads, shared_bytes, stream>>>(params);
  return cudaGetLastError();
}

#else

__device__ inline unsigned char* shared_memory() { return shim::shared_memory(); }

template <typename Params>
cudaError_t launch(void (*kernel)(Params), const Params& params, int blocks, int threads,
                   size_t shared_bytes, cudaStream_t) {
  return shim::launch([=] { kernel(params); }, blocks, threads, shared_bytes);
}

#endif

// The calling thread's place. Blocks are one-dimensional and made of whole warps.
__device__ __forceinline__ int thread_in_warp() { return static_cast<int>(threadIdx.x) % kWarp; }
__device__ __forceinline__ int warp_in_block() { return static_cast<int>(threadIdx.x) / kWarp; }
__device__ __forceinline__ int warps_in_block() { return static_cast<int>(blockDim.x) / kWarp; }

// The sum over `kWidth` neighbouring threads, the same bits in each of them: at every step two
// threads add the same two numbers. `mask` names the warp's threads that call.
template <int kWidth, typename value_t>
__device__ __forceinline__ value_t group_sum(value_t value, unsigned mask) {
  for (int step = kWidth / 2; step > 0; step /= 2) value += __shfl_xor_sync(mask, value, step);
  return value;
}

template <typename value_t>
__device__ __forceinline__ value_t warp_sum(value_t value) {
  return group_sum<kWarp>(value, kWholeWarp);
}

template <typename value_t>
__device__ __forceinline__ value_t warp_max(value_t value) {
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const value_t other = __shfl_xor_sync(kWholeWarp, value, step);
    value = other > value ? other : value;
  }
  return value;
}

template <typename value_t>
__device__ __forceinline__ value_t warp_min(value_t value) {
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const value_t other = __shfl_xor_sync(kWholeWarp, value, step);
    value = other < value ? other : value;
  }
  return value;
}

// Where the calling thread's entry belongs in a list of `size` entries that the warp appends to, in
// the order of its threads: those with `listed` alone. `size` grows by their number.
__device__ __forceinline__ int append_to_list(bool listed, int& size) {
  const unsigned members = __ballot_sync(kWholeWarp, listed);
  const int at = size + __popc(members & ((1u << thread_in_warp()) - 1));
  size += __popc(members);
  return at;
}

// The index of the warp's largest value; ties go to the lowest index.
template <typename value_t>
__device__ __forceinline__ int warp_argmax(value_t value, int index) {
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const value_t other = __shfl_xor_sync(kWholeWarp, value, step);
    const int other_index = __shfl_xor_sync(kWholeWarp, index, step);
    if (other > value || (other == value && other_index < index)) {
      value = other;
      index = other_index;
    }
  }
  return index;
}

}  // namespace gerank::cuda
