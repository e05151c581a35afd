// Keys W_e e of one request's candidates, and the table of e^2k that scoring reads (scoring.cuh).
// Block-collective; a barrier stands between the two.
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../decode/weights.h"
#include "plan.h"
#include "product.cuh"
#include "scoring.cuh"
#include "sequence.cuh"

namespace gerank::cuda {

// keys [M, key_stride], and max |key| over the candidates with counts(m) in `largest`, as bits: the
// bits of positive floats are in the order of the floats, and NaN is above them all.
template <typename scalar_t, typename Counts>
__device__ void project_keys(const DecoderSizes& sizes, const scalar_t* candidates,
                             const scalar_t* weights, scalar_t* keys, unsigned* largest,
                             Counts counts) {
  const int D = sizes.width, H = sizes.attention_width, stride = sizes.key_stride();
  const BasicWeightLayout<int> layout = {D, H, sizes.num_flags};
  unsigned own = 0;
  multiply<8, false>(candidates, D, sizes.num_candidates, D, weights + layout.w_e_t(), H,
                     [&](int m, int column, scalar_t sum) {
                       keys[m * stride + column] = sum;
                       const unsigned size = __float_as_uint(fabsf(static_cast<float>(sum)));
                       if (size > own && counts(m)) own = size;
                     });
  atomicMax(largest, own);
}

// Whether the request's keys are too large for the table.
template <typename scalar_t>
__device__ bool needs_direct(unsigned largest) {
  return std::is_same_v<scalar_t, double> || largest > __float_as_uint(kLargestTableKey);
}

// Turns keys into e^2k, unless the request takes the direct path.
template <typename scalar_t, int kCapacity>
__device__ void tabulate_keys(const DecoderSizes& sizes, scalar_t* keys,
                              Sequence<kCapacity>& sequence) {
  const bool direct = needs_direct<scalar_t>(sequence.largest_key);
  if (threadIdx.x == 0) sequence.direct = direct;
  if (direct) return;
  const int H = sizes.attention_width;
  for (int i = threadIdx.x; i < sizes.num_candidates * H; i += blockDim.x) {
    scalar_t& key = keys[i / H * sizes.key_stride() + i % H];
    key = table_entry(key, false);
  }
}

}  // namespace gerank::cuda
