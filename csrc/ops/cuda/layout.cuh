// What lies where in a block's shared memory. The host asks for the size, the device for pointers:
// one function lays out both.
#pragma once

#include <cstddef>

#include "carver.cuh"
#include "plan.h"
#include "sequence.cuh"

namespace gerank::cuda {

template <typename scalar_t, int kCapacity>
struct DecoderMemory {
  Sequence<kCapacity>* sequences;  // [sequences]
  scalar_t* start_input;           // [3D] W_ih start + b_ih
  scalar_t* hidden;                // [sequences, row_stride] h_n
  scalar_t* state;    // [sequences, 3D + H] of h_n: the next step's W_hh h + b_hh, then W_s h
  scalar_t* input;    // [sequences, 3D] W_ih x + b_ih
  scalar_t* chosen;   // [sequences, row_stride] the embedding that enters next
  scalar_t* v;        // [sequences, H]
  scalar_t* logits;   // [sequences, M]
  scalar_t* rows;     // [sequences, max_rows, H]
  scalar_t* keys;     // [sequences, M, key_stride] if plan.shared_keys
  scalar_t* weights;  // [loop_weights] if plan.resident

  __host__ __device__ size_t lay_out(const DecoderSizes& sizes, const DecoderPlan& plan,
                                     unsigned char* start) {
    Carver carver = {start, 0};
    const int D = sizes.width, H = sizes.attention_width;
    sequences = carver.take<Sequence<kCapacity>>(plan.sequences);
    start_input = carver.take<scalar_t>(3 * D);
    hidden = carver.take<scalar_t>(plan.sequences * sizes.row_stride());
    state = carver.take<scalar_t>(plan.sequences * sizes.state_columns());
    input = carver.take<scalar_t>(plan.sequences * 3 * D);
    chosen = carver.take<scalar_t>(plan.sequences * sizes.row_stride());
    v = carver.take<scalar_t>(plan.sequences * H);
    logits = carver.take<scalar_t>(plan.sequences * sizes.num_candidates);
    rows = carver.take<scalar_t>(plan.sequences * plan.max_rows * H);
    keys = carver.take<scalar_t>(
        plan.shared_keys ? static_cast<int>(plan.sequences * sizes.key_rows()) : 0);
    weights = carver.take<scalar_t>(plan.resident ? sizes.loop_weights() : 0);
    return carver.used;
  }
};

template <typename scalar_t, int kCapacity>
struct GradientMemory {
  Sequence<kCapacity>* sequence;
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
    sequence = carver.take<Sequence<kCapacity>>(1);
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
