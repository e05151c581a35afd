// What lies where in a block's shared memory. The host asks for the size, the device for pointers:
// one function lays out both.
#pragma once

#include <cstddef>

#include "carver.cuh"
#include "lane.cuh"
#include "plan.h"

namespace gerank::cuda {

template <typename scalar_t, int kCapacity>
struct DecoderMemory {
  Lane<kCapacity>* lanes;  // [lanes]
  scalar_t* start_input;   // [3D] W_ih start + b_ih
  scalar_t* hidden;        // [lanes, row_stride] h_n
  scalar_t* state;         // [lanes, 3D + H] of h_n: the next step's W_hh h + b_hh, then W_s h
  scalar_t* input;         // [lanes, 3D] W_ih x + b_ih
  scalar_t* chosen;        // [lanes, row_stride] the embedding that enters next
  scalar_t* v;             // [lanes, H]
  scalar_t* logits;        // [lanes, M]
  scalar_t* rows;          // [lanes, max_rows, H]
  scalar_t* keys;          // [lanes, M, key_stride] if plan.shared_keys
  scalar_t* weights;       // [loop_weights] if plan.resident

  __host__ __device__ size_t lay_out(const DecoderSizes& sizes, const DecoderPlan& plan,
                                     unsigned char* start) {
    Carver carver = {start, 0};
    const int D = sizes.width, H = sizes.attention_width;
    lanes = carver.take<Lane<kCapacity>>(plan.lanes);
    start_input = carver.take<scalar_t>(3 * D);
    hidden = carver.take<scalar_t>(plan.lanes * sizes.row_stride());
    state = carver.take<scalar_t>(plan.lanes * sizes.state_columns());
    input = carver.take<scalar_t>(plan.lanes * 3 * D);
    chosen = carver.take<scalar_t>(plan.lanes * sizes.row_stride());
    v = carver.take<scalar_t>(plan.lanes * H);
    logits = carver.take<scalar_t>(plan.lanes * sizes.num_candidates);
    rows = carver.take<scalar_t>(plan.lanes * plan.max_rows * H);
    keys = carver.take<scalar_t>(plan.shared_keys ? static_cast<int>(plan.lanes * sizes.key_rows())
                                                  : 0);
    weights = carver.take<scalar_t>(plan.resident ? sizes.loop_weights() : 0);
    return carver.used;
  }
};

template <typename scalar_t, int kCapacity>
struct GradientMemory {
  Lane<kCapacity>* lane;
  scalar_t* v;            // [H]
  scalar_t* grad_logits;  // [M], then of the listed candidates alone
  scalar_t* rows;         // [max_rows, H]
  scalar_t* grad_rows;    // [groups, max_rows, H]
  scalar_t* grad_v;       // [groups, H]
  scalar_t* grad_query;   // [H]
  scalar_t* grad_hidden;  // [D]

  __host__ __device__ size_t lay_out(const DecoderSizes& sizes, const GradientPlan& plan,
                                     unsigned char* start) {
    Carver carver = {start, 0};
    const int H = sizes.attention_width;
    lane = carver.take<Lane<kCapacity>>(1);
    v = carver.take<scalar_t>(H);
    grad_logits = carver.take<scalar_t>(sizes.num_candidates);
    rows = carver.take<scalar_t>(plan.max_rows * H);
    grad_rows = carver.take<scalar_t>(plan.groups * plan.max_rows * H);
    grad_v = carver.take<scalar_t>(plan.groups * H);
    grad_query = carver.take<scalar_t>(H);
    grad_hidden = carver.take<scalar_t>(sizes.width);
    return carver.used;
  }
};

}  // namespace gerank::cuda
