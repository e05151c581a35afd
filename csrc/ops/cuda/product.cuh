// Small matrix products by a whole block. Block-collective, without a barrier of their own.
#pragma once

#include "device.cuh"
#include "maths.cuh"

namespace gerank::cuda {

// Four numbers that one instruction loads.
template <typename scalar_t>
struct alignas(16) Pack {
  scalar_t number[4];
};

// sum[r] = sum_k x[r, k] w[k, column], added up in the order of k whatever kRows is, so that a row
// has the same bits in any company. `kPacked`: rows of x are aligned to 16 bytes. Rows from `rows`
// on repeat the last one.
template <int kRows, bool kPacked, typename scalar_t>
__device__ __forceinline__ void dot_rows(const scalar_t* x, int ldx, int rows, int depth,
                                         const scalar_t* w, int ldw, scalar_t (&sum)[kRows]) {
  int row[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    row[r] = (r < rows ? r : rows - 1) * ldx;
    sum[r] = 0;
  }
  int k = 0;
  // Not unrolled: an iteration has loads enough to wait for at once.
#pragma unroll 1
  for (; kPacked && k + 4 <= depth; k += 4) {
    scalar_t factor[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) factor[i] = w[(k + i) * ldw];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const auto pack = *reinterpret_cast<const Pack<scalar_t>*>(x + row[r] + k);
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[r] = multiply_add(pack.number[i], factor[i], sum[r]);
    }
  }
#pragma unroll 1
  for (; k < depth; ++k) {
    const scalar_t factor = w[k * ldw];
#pragma unroll
    for (int r = 0; r < kRows; ++r) sum[r] = multiply_add(x[row[r] + k], factor, sum[r]);
  }
}

// Calls store(r, j, sum_k x[r, k] w[k, j]) for every row r of x [rows, depth] and column j of
// w [depth, columns]. Neighbouring threads take neighbouring columns; kRows rows share a load of w.
template <int kRows, bool kPacked, typename scalar_t, typename Store>
__device__ __forceinline__ void multiply(const scalar_t* x, int ldx, int rows, int depth,
                                         const scalar_t* w, int columns, Store store) {
  const int tiles = (rows + kRows - 1) / kRows;
  for (int item = threadIdx.x; item < tiles * columns; item += blockDim.x) {
    const int column = item % columns, first = item / columns * kRows;
    const int left = rows - first;
    scalar_t sum[kRows];
    dot_rows<kRows, kPacked>(x + first * ldx, ldx, left, depth, w + column, columns, sum);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if (r < left) store(first + r, column, sum[r]);
    }
  }
}

// For up to 8 rows, which are aligned to 16 bytes: with as few loads of w as there can be.
template <typename scalar_t, typename Store>
__device__ __forceinline__ void multiply_rows(const scalar_t* x, int ldx, int rows, int depth,
                                              const scalar_t* w, int columns, Store store) {
  if (rows == 1) return multiply<1, true>(x, ldx, rows, depth, w, columns, store);
  if (rows <= 4) return multiply<4, true>(x, ldx, rows, depth, w, columns, store);
  multiply<8, true>(x, ldx, rows, depth, w, columns, store);
}

// Calls store(k, sum_j w[k, j] x[j]) for every row k of w [depth, columns]: a warp per row.
template <typename scalar_t, typename Store>
__device__ __forceinline__ void multiply_transposed(const scalar_t* x, int columns,
                                                    const scalar_t* w, int depth, Store store) {
  for (int k = warp_in_block(); k < depth; k += warps_in_block()) {
    scalar_t sum = 0;
    for (int j = thread_in_warp(); j < columns; j += kWarp) {
      sum = multiply_add(w[k * columns + j], x[j], sum);
    }
    sum = warp_sum(sum);
    if (thread_in_warp() == 0) store(k, sum);
  }
}

}  // namespace gerank::cuda
