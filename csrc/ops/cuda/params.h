// What each kernel takes: pointers, sizes and strides, nothing of torch. All tensors are contiguous
// device memory; shapes as in csrc/ops/<op>.cpp.
//
// A kernel cannot raise, and the host does not wait for it. So it never trusts a value as an index,
// and answers a request that breaks a promise (a pin on padding, a temperature of 0, ...) with NaN.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "plan.h"

namespace gerank::cuda {

// The requests of decode_slates and slate_log_prob.
template <typename scalar_t>
struct DecoderParams {
  DecoderSizes sizes;
  DecoderPlan plan;
  int64_t context_window;
  int64_t attention_stride;     // from request to request; 0: one for all
  const scalar_t* candidates;   // [B, M, D]
  const scalar_t* set_vector;   // [B, D]
  const bool* mask;             // [B, M]
  const scalar_t* weights;      // [P]
  const scalar_t* attention;    // [B or 1, C + 3, H]
  const bool* flags;            // [B, M, Q]
  const int64_t* groups;        // [B, M, K]
  const int64_t* pins;          // [B, N]
  const int64_t* dedup_keys;    // [B, M]
  const int64_t* spacing;       // [B, K, 2]
  const int64_t* quotas;        // [B, Q, 2]
  const int64_t* slots;         // [B]
  const scalar_t* temperature;  // [B]
  scalar_t* keys;               // [plan.key_numbers()] scratch; unused where plan.shared_keys
};

// Every output is written by the kernel, also behind a slate's end.
template <typename scalar_t>
struct DecodeParams {
  DecoderParams<scalar_t> decoder;
  const int64_t* seeds;  // [B]
  const bool* greedy;    // [B]
  int64_t* slates;       // [B, G, N]
  scalar_t* log_prob;    // [B, G, N]
  int64_t* relaxed;      // [B, G, N]
};

// What a backward needs is null, or all zero on entry.
template <typename scalar_t>
struct TeacherParams {
  DecoderParams<scalar_t> decoder;
  const int64_t* slates;  // [B, G, N]
  scalar_t* log_prob;     // [B, G, N]
  scalar_t* entropy;      // [B, G, N]
  scalar_t* probs;        // [B, G, N, M]
  scalar_t* hidden;       // [B, G, N + 1, D]
  scalar_t* gates;        // [B, G, N, 4D]
  scalar_t* projection;   // [B, G, N, H]
};

// The backward leaves the factors of the shared weights' gradients behind: their products over all
// slots of all requests are matrix products (see slate_log_prob_backward.cpp).
template <typename scalar_t>
struct SlateGradientParams {
  DecoderSizes sizes;
  GradientPlan plan;
  int64_t context_window;
  int64_t attention_stride;
  const scalar_t* grad_log_prob;  // [B, G, N]
  const scalar_t* grad_entropy;   // [B, G, N]
  const scalar_t* candidates;     // [B, M, D]
  const scalar_t* weights;        // [P]
  const scalar_t* attention;      // [B or 1, C + 3, H]
  const bool* flags;              // [B, M, Q]
  const int64_t* groups;          // [B, M, K]
  const int64_t* slots;           // [B]
  const scalar_t* temperature;    // [B]
  const int64_t* slates;          // [B, G, N]
  const scalar_t* log_prob;       // [B, G, N]
  const scalar_t* entropy;        // [B, G, N]
  const scalar_t* probs;          // [B, G, N, M]
  const scalar_t* hidden;         // [B, G, N + 1, D]
  const scalar_t* gates;          // [B, G, N, 4D]
  const scalar_t* projection;     // [B, G, N, H]
  scalar_t* keys;                 // [plan.key_numbers()] scratch
  // All zero on entry.
  scalar_t* grad_keys;        // [B, M, H]
  scalar_t* grad_candidates;  // [B, M, D] what reaches them as inputs of the GRU
  scalar_t* grad_set_vector;  // [B, D]
  scalar_t* grad_start;       // [B, D]
  scalar_t* grad_attention;   // [B, C + 3, H]
  scalar_t* grad_query;       // [B, G, N, H]
  scalar_t* terms;            // [B, G, N, Q + 1] the shared terms themselves
  scalar_t* grad_state;       // [B, G, N + 1, 3D + H] of [W_hh; W_s] h; row 0 is the set vector's
  scalar_t* grad_input;       // [B, G, N, 3D] of W_ih x
  scalar_t* inputs;           // [B, G, N, D] the inputs x themselves
};

struct StepSizes {
  int batch;           // B
  int num_candidates;  // M
  int width;           // H
  int num_features;    // C
};

template <typename scalar_t>
struct StepParams {
  StepSizes sizes;
  int64_t w_context_stride;     // from request to request; 0: one for all
  int64_t v_stride;             // likewise
  const scalar_t* keys;         // [B, M, H]
  const scalar_t* query;        // [B, H]
  const scalar_t* context;      // [B, M, C]
  const scalar_t* w_context;    // [B or 1, C, H]
  const scalar_t* v;            // [B or 1, H]
  const bool* mask;             // [B, M]
  const scalar_t* temperature;  // [B]
  const int64_t* seeds;         // [B]
  const bool* greedy;           // [B]
  const int64_t* forced;        // [B]
  int slot;
  int slate;
  int64_t* choice;     // [B]
  scalar_t* log_prob;  // [B]
  scalar_t* entropy;   // [B]
  scalar_t* probs;     // [B, M]
};

template <typename scalar_t>
struct StepGradientParams {
  StepSizes sizes;
  int64_t w_context_stride;
  int64_t v_stride;
  const scalar_t* grad_log_prob;  // [B]
  const scalar_t* grad_entropy;   // [B]
  const scalar_t* keys;           // [B, M, H]
  const scalar_t* query;          // [B, H]
  const scalar_t* context;        // [B, M, C]
  const scalar_t* w_context;      // [B or 1, C, H]
  const scalar_t* v;              // [B or 1, H]
  const scalar_t* temperature;    // [B]
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
struct SetParams {
  int batch, num_candidates, num_features;
  const scalar_t* values;     // [B, M, F]
  const bool* mask;           // [B, M]
  const scalar_t* mean;       // [F]
  const scalar_t* deviation;  // [F]
  scalar_t* out;              // [B, M, 3F]
};

// Each queues one kernel on `stream` and returns what the launch said; float and double. An empty
// batch queues nothing.
template <typename scalar_t>
cudaError_t launch_decode_slates(const DecodeParams<scalar_t>& params, cudaStream_t stream);
template <typename scalar_t>
cudaError_t launch_slate_log_prob(const TeacherParams<scalar_t>& params, cudaStream_t stream);
template <typename scalar_t>
cudaError_t launch_slate_log_prob_backward(const SlateGradientParams<scalar_t>& params,
                                           cudaStream_t stream);
template <typename scalar_t>
cudaError_t launch_pointer_step(const StepParams<scalar_t>& params, cudaStream_t stream);
template <typename scalar_t>
cudaError_t launch_pointer_step_backward(const StepGradientParams<scalar_t>& params,
                                         cudaStream_t stream);
template <typename scalar_t>
cudaError_t launch_set_features(const SetParams<scalar_t>& params, cudaStream_t stream);

}  // namespace gerank::cuda
