// The backward of the teacher-forced loop for one request per block: first the scores, slot by
// slot, then the GRU back through time. Every number has one thread that adds to it, in one order:
// the gradients have the same bits in every run.
//
// Block-collective throughout; barriers stand where another warp's results are read.
#pragma once

#include <cstdint>

#include "distribution.cuh"
#include "keys.cuh"
#include "layout.cuh"
#include "params.h"
#include "product.cuh"
#include "scoring.cuh"

namespace gerank::cuda {

template <typename scalar_t, int kCapacity>
class SlateGradient {
 public:
  __device__ explicit SlateGradient(const SlateGradientParams<scalar_t>& params)
      : params_(params),
        sizes_(params.sizes),
        plan_(params.plan),
        weights_{params.sizes.width, params.sizes.attention_width, params.sizes.num_flags},
        layout_{params.sizes.num_flags, params.sizes.num_groups} {
    memory_.lay_out(sizes_, plan_, shared_memory());
  }

  __device__ void add(int b) {
    b_ = b;
    load();
    for (int slate = 0; slate < sizes_.num_slates; ++slate) {
      slate_ = static_cast<int64_t>(b) * sizes_.num_slates + slate;
      add_scores();
      add_states();
    }
    const int H = sizes_.attention_width;
    for (int i = threadIdx.x; i < H; i += blockDim.x) {
      scalar_t sum = 0;
      for (int group = 0; group < plan_.groups; ++group) sum += memory_.grad_v[group * H + i];
      grad_attention(layout_.v())[i] = sum;
    }
  }

 private:
  __device__ int64_t row(int slot) const { return slate_ * sizes_.num_slots + slot; }
  __device__ Sequence<kCapacity>& sequence() const { return *memory_.sequence; }
  __device__ const scalar_t* attention() const {
    return params_.attention + b_ * params_.attention_stride;
  }
  __device__ scalar_t* grad_attention(int64_t index) const {
    return params_.grad_attention + (b_ * layout_.rows() + index) * sizes_.attention_width;
  }
  __device__ scalar_t* keys() const { return params_.keys + blockIdx.x * sizes_.key_rows(); }
  // Row n + 1 belongs to h_n: to the GRU's step n + 1 and to the query of slot n.
  __device__ scalar_t* grad_state(int index) const {
    return params_.grad_state + (slate_ * (sizes_.num_slots + 1) + index) * sizes_.state_columns();
  }
  // What is no candidate, which the forward has answered with NaN, is nobody.
  __device__ int choice(int slot) const {
    const int64_t given = params_.slates[row(slot)];
    return given >= 0 && given < sizes_.num_candidates ? static_cast<int>(given) : -1;
  }

  __device__ void load() {
    __syncthreads();  // the request before is done
    const int M = sizes_.num_candidates, H = sizes_.attention_width;
    if (threadIdx.x == 0) read_request();
    for (int i = threadIdx.x; i < H; i += blockDim.x) {
      memory_.v[i] = attention()[layout_.v() * H + i];
    }
    for (int i = threadIdx.x; i < plan_.groups * H; i += blockDim.x) memory_.grad_v[i] = 0;
    __syncthreads();
    if (warp_in_block() == 0) read_features(sequence());
    project_keys(sizes_, params_.candidates + b_ * M * sizes_.width, params_.weights, keys(),
                 &sequence().largest_key, [](int) { return true; });
    __syncthreads();
    tabulate_keys(sizes_, keys(), sequence());
  }

  __device__ void read_request() {
    const int64_t M = sizes_.num_candidates, N = sizes_.num_slots, slots = params_.slots[b_];
    RequestView request = {};
    request.num_candidates = sizes_.num_candidates;
    request.num_slots = sizes_.num_slots;
    request.num_groups = sizes_.num_groups;
    request.num_flags = sizes_.num_flags;
    request.slots = static_cast<int>(slots >= 0 && slots <= N ? slots : 0);
    request.flags = params_.flags + b_ * M * sizes_.num_flags;
    request.groups = params_.groups + b_ * M * sizes_.num_groups;
    sequence().request = request;
    sequence().largest_key = 0;
  }

  __device__ void add_scores() {
    if (warp_in_block() == 0) {
      clear_prefix(sizes_.num_candidates, sizes_.num_groups, sequence().prefix, thread_in_warp(),
                   kWarp);
      __syncwarp();
    }
    for (int slot = 0; slot < sequence().request.slots; ++slot) {
      if (warp_in_block() == 0) list(slot);
      __syncthreads();  // keys, list and classes are complete
      if (sequence().size > 0) add_slot(slot);
      __syncthreads();  // the prefix may grow
    }
  }

  // The candidates whose logits have a gradient at this slot, and their classes.
  __device__ void list(int slot) {
    Sequence<kCapacity>& sequence = this->sequence();
    if (slot > 0 && choice(slot - 1) >= 0) {
      if (thread_in_warp() == 0) {
        extend_prefix(sequence.attributes, sizes_.num_groups, sizes_.num_flags, slot - 1,
                      choice(slot - 1), sequence.prefix);
      }
      __syncwarp();
    }
    const int M = sizes_.num_candidates;
    const scalar_t* probs = params_.probs + row(slot) * M;
    bool none = true;
    for (int m = thread_in_warp(); m < M; m += kWarp) none = none && probs[m] == 0;
    // Pinned and empty slots, where nothing was drawn, have no probabilities.
    const int size = all_of_warp(none) ? 0 : list_gradients(slot, probs);
    if (thread_in_warp() == 0) sequence.size = size;
    __syncwarp();
    find_classes(sequence, slot, params_.context_window);
  }

  __device__ int list_gradients(int slot, const scalar_t* probs) {
    const int M = sizes_.num_candidates;
    const int64_t at = row(slot);
    // A choice that was not allowed has log_prob -inf and no gradient.
    const bool possible = is_finite(params_.log_prob[at]);
    const SlotGradient<scalar_t> gradient = {probs, params_.entropy[at],
                                             possible ? params_.grad_log_prob[at] : scalar_t(0),
                                             params_.grad_entropy[at], params_.temperature[b_]};
    gradient.by_logits(choice(slot), M, memory_.grad_logits);
    int size = 0;
    for (int first = 0; first < M; first += kWarp) {
      const int m = first + thread_in_warp();
      const bool listed = m < M && memory_.grad_logits[m] != 0;
      const int at = append_to_list(listed, size);
      if (listed) sequence().allowed[at] = static_cast<int16_t>(m);
    }
    return size;
  }

  __device__ void add_slot(int slot) {
    const int H = sizes_.attention_width;
    for (int i = threadIdx.x; i < H; i += blockDim.x) memory_.grad_query[i] = 0;
    for (int first = 0; first < sequence().num_classes; first += plan_.max_rows) {
      fill_rows(slot, first);
      __syncthreads();
      add_candidates(first);
      __syncthreads();
      add_context(first);
      __syncthreads();
    }
    add_query(slot);
  }

  __device__ void fill_rows(int slot, int first) {
    const int H = sizes_.attention_width, size = plan_.max_rows * H;
    const auto parameters = score_parameters(sizes_, params_.weights, attention());
    for (int i = threadIdx.x; i < size; i += blockDim.x) {
      const int row = first + i / H, column = i % H;
      if (row >= sequence().num_classes) continue;
      const scalar_t projection = params_.projection[this->row(slot) * H + column];
      memory_.rows[i] = table_entry(
          class_row(parameters, sequence(), slot, sequence().class_bits[row], projection, column),
          sequence().direct);
    }
    for (int i = threadIdx.x; i < plan_.groups * size; i += blockDim.x) memory_.grad_rows[i] = 0;
  }

  // From the logits to keys, rows and v: a team of threads takes every groups-th candidate, a
  // thread of it the same columns at every slot.
  __device__ void add_candidates(int first) {
    const int H = sizes_.attention_width, team = blockDim.x / plan_.groups;
    const int group = threadIdx.x / team;
    if (group >= plan_.groups) return;
    scalar_t* grad_keys = params_.grad_keys + static_cast<int64_t>(b_) * sizes_.num_candidates * H;
    for (int i = threadIdx.x % team; i < H; i += team) {
      scalar_t grad_v = 0;
      for (int j = 0; j < sequence().size; ++j) {
        const int m = sequence().allowed[j], row = sequence().class_of[j] - first;
        if (m % plan_.groups != group || row < 0 || row >= plan_.max_rows) continue;
        const scalar_t r = half_complement_of(keys()[m * sizes_.key_stride() + i],
                                              memory_.rows[row * H + i], sequence().direct);
        const scalar_t grad = memory_.grad_logits[m];
        const scalar_t grad_x = grad * memory_.v[i] * (scalar_t(4) * r * (scalar_t(1) - r));
        grad_v += grad * (scalar_t(1) - scalar_t(2) * r);
        grad_keys[m * H + i] += grad_x;
        memory_.grad_rows[(group * plan_.max_rows + row) * H + i] += grad_x;
      }
      memory_.grad_v[group * H + i] += grad_v;
    }
  }

  // From the classes' rows to W_c and to the query.
  __device__ void add_context(int first) {
    const int H = sizes_.attention_width;
    const int rows = sequence().num_classes - first;
    for (int i = threadIdx.x; i < H; i += blockDim.x) {
      for (int c = 0; c < rows && c < plan_.max_rows; ++c) {
        scalar_t grad = 0;
        for (int group = 0; group < plan_.groups; ++group) {
          grad += memory_.grad_rows[(group * plan_.max_rows + c) * H + i];
        }
        memory_.grad_query[i] += grad;
        for_each_feature<scalar_t>(
            sequence(), layout_, sequence().class_bits[first + c],
            [&](int64_t feature, scalar_t value) { grad_attention(feature)[i] += value * grad; });
      }
    }
  }

  // From the query to bias, scale, the shared terms' factor and W_s h.
  __device__ void add_query(int slot) {
    const int D = sizes_.width, H = sizes_.attention_width, Q = sizes_.num_flags;
    const scalar_t* scale = attention() + layout_.scale() * H;
    for (int i = threadIdx.x; i < H; i += blockDim.x) {
      const scalar_t grad = memory_.grad_query[i];
      params_.grad_query[row(slot) * H + i] = grad;
      grad_attention(layout_.bias())[i] += grad;
      grad_attention(layout_.scale())[i] += grad * params_.projection[row(slot) * H + i];
      grad_state(slot + 1)[3 * D + i] = grad * scale[i];
    }
    for (int s = threadIdx.x; s <= Q; s += blockDim.x) {
      params_.terms[row(slot) * (Q + 1) + s] =
          shared_term<scalar_t>(sequence().prefix, Q, slot, sequence().request.slots, s);
    }
  }

  __device__ void add_states() {
    const int D = sizes_.width, columns = sizes_.state_columns(), slots = sequence().request.slots;
    const scalar_t* w_hs_t = params_.weights + weights_.w_hs_t();
    scalar_t* grad_hidden = memory_.grad_hidden;
    if (slots == 0) return;
    for (int i = threadIdx.x; i < D; i += blockDim.x) grad_hidden[i] = 0;
    for (int slot = slots - 1; slot >= 0; --slot) {
      __syncthreads();  // dh of the step after is complete
      multiply_transposed(grad_state(slot + 1), columns, w_hs_t, D,
                          [&](int i, scalar_t sum) { grad_hidden[i] += sum; });
      __syncthreads();
      add_gru(slot);
      __syncthreads();
      add_input(slot);
    }
    scalar_t* grad_set_vector = params_.grad_set_vector + b_ * D;
    multiply_transposed(grad_state(0), columns, w_hs_t, D,
                        [&](int i, scalar_t sum) { grad_set_vector[i] += grad_hidden[i] + sum; });
  }

  // Through one GRU step: dh_n in grad_hidden becomes the part of dh_{n-1} that bypasses W_hh.
  __device__ void add_gru(int slot) {
    const int D = sizes_.width;
    const scalar_t* previous = params_.hidden + (slate_ * (sizes_.num_slots + 1) + slot) * D;
    const scalar_t* gates = params_.gates + row(slot) * 4 * D;
    scalar_t* grad_input = params_.grad_input + row(slot) * 3 * D;
    scalar_t* grad_state = this->grad_state(slot);
    for (int i = threadIdx.x; i < D; i += blockDim.x) {
      const scalar_t r = gates[i], z = gates[D + i], n = gates[2 * D + i];
      const scalar_t grad = memory_.grad_hidden[i];
      const scalar_t grad_n = grad * (1 - z) * (1 - n * n);
      const scalar_t grad_r = grad_n * gates[3 * D + i] * r * (1 - r);
      const scalar_t grad_z = grad * (previous[i] - n) * z * (1 - z);
      grad_input[i] = grad_state[i] = grad_r;
      grad_input[D + i] = grad_state[D + i] = grad_z;
      grad_input[2 * D + i] = grad_n;
      grad_state[2 * D + i] = grad_n * r;
      memory_.grad_hidden[i] = grad * z;
    }
  }

  // The input of a slot is the last candidate placed before it, or the start vector.
  __device__ void add_input(int slot) {
    const int D = sizes_.width;
    int last = slot - 1;
    while (last >= 0 && choice(last) < 0) --last;
    const int64_t at = last < 0 ? 0 : (int64_t{b_} * sizes_.num_candidates + choice(last)) * D;
    const scalar_t* input = last < 0 ? params_.weights + weights_.start() : params_.candidates + at;
    scalar_t* grad = last < 0 ? params_.grad_start + b_ * D : params_.grad_candidates + at;
    for (int i = threadIdx.x; i < D; i += blockDim.x) params_.inputs[row(slot) * D + i] = input[i];
    multiply_transposed(params_.grad_input + row(slot) * 3 * D, 3 * D,
                        params_.weights + weights_.w_ih_t(), D,
                        [&](int i, scalar_t sum) { grad[i] += sum; });
  }

  const SlateGradientParams<scalar_t>& params_;
  const DecoderSizes& sizes_;
  const GradientPlan& plan_;
  const BasicWeightLayout<int> weights_;
  const AttentionLayout layout_;
  GradientMemory<scalar_t, kCapacity> memory_;
  int64_t b_ = 0;
  int64_t slate_ = 0;  // counts through all requests
};

}  // namespace gerank::cuda
