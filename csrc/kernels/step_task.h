// What the kernels of pointer_step, set_features and encode_set work on: their tensors as
// contiguous arrays.
#pragma once

#include <cstdint>

#include "../encode/layout.h"

namespace gerank::cpu {

template <typename scalar_t>
struct StepView {
  int64_t num_candidates, width, num_features;
  int64_t w_context_stride, v_stride;  // between requests; 0: shared by all
  const scalar_t* keys;                // [B, M, H]
  const scalar_t* query;               // [B, H]
  const scalar_t* context;             // [B, M, C]
  const scalar_t* w_context;           // [B or 1, C, H]
  const scalar_t* v;                   // [B or 1, H]
  const scalar_t* temperature;         // [B]
};

template <typename scalar_t>
struct StepTask {
  StepView<scalar_t> inputs;
  int slot;
  int slate;
  const bool* mask;       // [B, M]
  const int64_t* seeds;   // [B]
  const bool* greedy;     // [B]
  const int64_t* forced;  // [B] -1: choose
  int64_t* choice;        // [B]
  scalar_t* log_prob;     // [B]
  scalar_t* entropy;      // [B]
  scalar_t* probs;        // [B, M]
};

// The gradients are zeros when the kernel begins.
template <typename scalar_t>
struct StepGradientTask {
  StepView<scalar_t> inputs;
  const scalar_t* grad_log_prob;  // [B]
  const scalar_t* grad_entropy;   // [B]
  const int64_t* choice;          // [B]
  const scalar_t* log_prob;       // [B]
  const scalar_t* entropy;        // [B]
  const scalar_t* probs;          // [B, M]
  scalar_t* grad_keys;            // [B, M, H]
  scalar_t* grad_query;           // [B, H]
  scalar_t* grad_w_context;       // [B, C, H]
  scalar_t* grad_v;               // [B, H]
};

template <typename scalar_t>
struct SetTask {
  int64_t num_candidates, num_features;
  const scalar_t* values;     // [B, M, F]
  const bool* mask;           // [B, M]
  const scalar_t* mean;       // [F]
  const scalar_t* deviation;  // [F]
  scalar_t* out;              // [B, M, 3F]
};

template <typename scalar_t>
struct EncodeTask {
  int64_t num_candidates;
  EncoderLayout layout;
  const scalar_t* candidates;  // [B, M, X]
  const scalar_t* users;       // [B, U]
  const bool* mask;            // [B, M]
  const scalar_t* weights;     // [P]
  scalar_t* encoded;           // [B, M, D]
  scalar_t* set_vector;        // [B, D]
};

}  // namespace gerank::cpu
