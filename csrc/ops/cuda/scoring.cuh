// Additive attention with local context: v . tanh(W_e e + query + W_c c).
//
// Keys W_e e are kept as A = e^2k and rows query + W_c c, one per context class, as B = e^2r, so
// that a tanh is 1 - 2 / (1 + A B): one reciprocal. That is exact while A is neither 0 nor
// infinite: B may be, because with |k| <= 20 the tanh is then 1 or -1 to float's precision. A
// request with a larger key takes the direct path, and so does double, which is there to check
// gradients.
#pragma once

#include <cstdint>

#include "../../decode/weights.h"
#include "device.cuh"
#include "maths.cuh"
#include "plan.h"
#include "sequence.cuh"

namespace gerank::cuda {

constexpr float kLargestTableKey = 20.0f;
constexpr int kTeam = 8;  // threads that score one candidate

template <typename scalar_t>
__device__ __forceinline__ scalar_t table_entry(scalar_t x, bool direct) {
  return direct ? x : exponential(x + x);
}

// (1 - tanh(key + row)) / 2 from what the tables hold.
template <typename scalar_t>
__device__ __forceinline__ scalar_t half_complement_of(scalar_t key, scalar_t row, bool direct) {
  return direct ? half_complement(key + row) : reciprocal(multiply_add(key, row, scalar_t(1)));
}

// The packed parameters of one request's scores.
template <typename scalar_t>
struct ScoreParameters {
  AttentionLayout layout;
  int width;                  // H
  const scalar_t* w_g;        // [Q + 1, H]
  const scalar_t* attention;  // [C + 3, H]

  __device__ scalar_t at(int64_t row, int column) const { return attention[row * width + column]; }
};

template <typename scalar_t>
__device__ ScoreParameters<scalar_t> score_parameters(const DecoderSizes& sizes,
                                                      const scalar_t* weights,
                                                      const scalar_t* attention) {
  const BasicWeightLayout<int> layout = {sizes.width, sizes.attention_width, sizes.num_flags};
  return {{sizes.num_flags, sizes.num_groups},
          sizes.attention_width,
          weights + layout.w_g_t(),
          attention};
}

// Calls visit(row, value) for every non-zero local-context feature of a class: `row` of the
// attention parameters, `value` of the feature.
template <typename scalar_t, int kCapacity, typename Visit>
__device__ __forceinline__ void for_each_feature(const Sequence<kCapacity>& sequence,
                                                 const AttentionLayout& layout, uint32_t bits,
                                                 Visit visit) {
  for (int q = 0; q < sequence.request.num_flags; ++q) {
    if ((bits >> q) & 1) visit(layout.share(q), flag_share<scalar_t>(sequence.prefix, q));
  }
  for (int k = 0; k < sequence.request.num_groups; ++k) {
    if ((bits >> (kSeenBit + k)) & 1) visit(layout.seen(k), scalar_t(1));
  }
  for (int k = 0; k < sequence.request.num_groups; ++k) {
    if ((bits >> (kRecentBit + k)) & 1) visit(layout.recent(k), scalar_t(1));
  }
}

// One column of query + W_c c: scale * W_s h + bias + W_g g, then the features of the class.
template <typename scalar_t, int kCapacity>
__device__ scalar_t class_row(const ScoreParameters<scalar_t>& parameters,
                              const Sequence<kCapacity>& sequence, int slot, uint32_t bits,
                              scalar_t projection, int column) {
  const AttentionLayout& layout = parameters.layout;
  const int num_flags = sequence.request.num_flags;
  scalar_t row = multiply_add(parameters.at(layout.scale(), column), projection,
                              parameters.at(layout.bias(), column));
  for (int s = 0; s <= num_flags; ++s) {
    const scalar_t term =
        shared_term<scalar_t>(sequence.prefix, num_flags, slot, sequence.request.slots, s);
    row = multiply_add(parameters.w_g[s * parameters.width + column], term, row);
  }
  for_each_feature<scalar_t>(sequence, layout, bits, [&](int64_t feature, scalar_t value) {
    row = multiply_add(parameters.at(feature, column), value, row);
  });
  return row;
}

// The logit of one candidate, by a team of neighbouring threads; the same in each of them.
template <typename scalar_t>
__device__ __forceinline__ scalar_t score(const scalar_t* key, const scalar_t* row,
                                          const scalar_t* v, int width, bool direct) {
  const int thread = thread_in_warp() % kTeam;
  const unsigned team = ((1u << kTeam) - 1) << (thread_in_warp() - thread);
  scalar_t sum = 0;
  for (int i = thread; i < width; i += kTeam) {
    const scalar_t r = half_complement_of(key[i], row[i], direct);
    sum = multiply_add(v[i], multiply_add(scalar_t(-2), r, scalar_t(1)), sum);
  }
  return finite(group_sum<kTeam>(sum, team));
}

}  // namespace gerank::cuda
