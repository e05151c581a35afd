// The decoding loop's mathematics for a block of threads and a few requests, its sequences, that
// advance slot by slot together. What is chosen at a slot is the business of the op.
//
//   Decoder<float, 32> decoder(params);
//   for each group of items:                  decoder.load(first);
//     for each slate of an item:              decoder.begin(pass);
//       for slot < decoder.most_slots():      decoder.advance(...);
//                                             decoder.score(slot, ...);
//                                             per sequence, one warp: choose, decoder.place(...);
//                                             decoder.feed();
//
// All methods but place() are block-collective. Each leaves its results to be read by the warps
// that it names; barriers stand where another warp's are read.
#pragma once

#include <cstdint>

#include "device.cuh"
#include "keys.cuh"
#include "layout.cuh"
#include "maths.cuh"
#include "params.h"
#include "product.cuh"
#include "scoring.cuh"
#include "sequence.cuh"

namespace gerank::cuda {

template <typename scalar_t, int kCapacity>
class Decoder {
 public:
  using SequenceType = Sequence<kCapacity>;

  __device__ explicit Decoder(const DecoderParams<scalar_t>& params)
      : params_(params),
        sizes_(params.sizes),
        plan_(params.plan),
        weights_{params.sizes.width, params.sizes.attention_width, params.sizes.num_flags} {
    memory_.lay_out(sizes_, plan_, shared_memory());
    const int D = sizes_.width;
    if (plan_.resident) {
      for (int i = threadIdx.x; i < sizes_.loop_weights(); i += blockDim.x) {
        memory_.weights[i] = params_.weights[i];
      }
    }
    multiply<1, false>(
        params_.weights + weights_.start(), D, 1, D, params_.weights + weights_.w_ih_t(), 3 * D,
        [&](int, int column, scalar_t sum) {
          memory_.start_input[column] = sum + params_.weights[weights_.b_ih() + column];
        });
  }

  // Takes up the items from `first` on: rules, attributes, and keys = W_e e of every candidate. No
  // barrier in front: between a slot's last one and here, warps touch their own sequences alone.
  __device__ void load(int first) {
    const int left = plan_.items(sizes_) - first;
    count_ = left < plan_.sequences ? left : plan_.sequences;
    first_ = first;
    for (int r = warp_in_block(); r < count_; r += warps_in_block()) read_request(r);
    __syncthreads();
    for (int r = 0; r < count_; ++r) {
      const int64_t row = static_cast<int64_t>(request_of(r)) * sizes_.num_candidates;
      const bool* mask = sequence(r).request.mask;
      project_keys(sizes_, params_.candidates + row * sizes_.width, params_.weights, keys(r),
                   &sequence(r).largest_key, [&](int m) { return mask[m]; });
    }
    __syncthreads();
    for (int r = 0; r < count_; ++r) tabulate_keys(sizes_, keys(r), sequence(r));
  }

  // Before the first slot of every item's slate number `pass`.
  __device__ void begin(int pass) {
    __syncthreads();  // the slate before is done
    for (int r = warp_in_block(); r < count_; r += warps_in_block()) begin_sequence(r, pass);
    const int D = sizes_.width;
    for (int i = threadIdx.x; i < count_ * D; i += blockDim.x) {
      const int64_t row = request_of(i / D);
      hidden(i / D)[i % D] = params_.set_vector[row * D + i % D];
    }
    for (int i = threadIdx.x; i < count_ * 3 * D; i += blockDim.x) {
      memory_.input[i] = memory_.start_input[i % (3 * D)];
    }
    __syncthreads();
    project_state([](int, int, scalar_t) {});
  }

  __device__ int most_slots() const {
    int most = 0;
    for (int r = 0; r < count_; ++r) most = sequence(r).slots > most ? sequence(r).slots : most;
    return most;
  }

  // h_n of every sequence. save_gru(r, i, hidden, r_i, z_i, n_i, state's part of n_i) and
  // save_projection(r, i, W_s h) are told of every element.
  template <typename SaveGru, typename SaveProjection>
  __device__ void advance(SaveGru save_gru, SaveProjection save_projection) {
    __syncthreads();  // input and state are complete
    const int D = sizes_.width;
    for (int i = threadIdx.x; i < count_ * D; i += blockDim.x) {
      const int r = i / D, j = i % D;
      const scalar_t* input = memory_.input + r * 3 * D;
      const scalar_t* state = memory_.state + r * sizes_.state_columns();
      const scalar_t reset = sigmoid(input[j] + state[j]);
      const scalar_t update = sigmoid(input[D + j] + state[D + j]);
      const scalar_t fresh = tanh_of(multiply_add(reset, state[2 * D + j], input[2 * D + j]));
      const scalar_t next = multiply_add(update, hidden(r)[j] - fresh, fresh);
      save_gru(r, j, next, reset, update, fresh, state[2 * D + j]);
      hidden(r)[j] = next;
    }
    __syncthreads();
    project_state(save_projection);
  }

  // Scores the allowed candidates of every sequence r for which is_open(r): its list, `size` and
  // `relaxed` are then in sequence(r), its logits in logits(r). Other sequences get size 0.
  template <typename IsOpen>
  __device__ void score(int slot, IsOpen is_open) {
    for (int r = warp_in_block(); r < count_; r += warps_in_block()) list(r, slot, is_open(r));
    __syncthreads();  // lists and W_s h are complete
    int classes = 0;
    for (int r = 0; r < count_; ++r) {
      classes = sequence(r).num_classes > classes ? sequence(r).num_classes : classes;
    }
    for (int first = 0; first < classes; first += plan_.max_rows) {
      fill_rows(slot, first);
      __syncthreads();
      fill_logits(first);
      __syncthreads();
    }
  }

  // Warp-collective: gives the slot of sequence r to `candidate`, -1 for nothing.
  __device__ void place(int r, int slot, int candidate) {
    cuda::place(sequence(r), slot, candidate);
    if (candidate < 0) return;
    const int D = sizes_.width;
    const int64_t row = static_cast<int64_t>(request_of(r)) * sizes_.num_candidates + candidate;
    for (int i = thread_in_warp(); i < D; i += kWarp) {
      memory_.chosen[r * sizes_.row_stride() + i] = params_.candidates[row * D + i];
    }
  }

  // The chosen candidates enter the GRU; where none was, its input stays.
  __device__ void feed() {
    __syncthreads();  // every sequence has its choice
    const int D = sizes_.width;
    const auto store = [&](int r, int column, scalar_t sum) {
      if (sequence(r).choice < 0) return;
      memory_.input[r * 3 * D + column] = sum + loop_weights()[weights_.b_ih() + column];
    };
    multiply_loop_weights(memory_.chosen, weights_.w_ih_t(), 3 * D, store);
  }

  __device__ int count() const { return count_; }
  __device__ SequenceType& sequence(int r) const { return memory_.sequences[r]; }
  __device__ scalar_t* logits(int r) const { return memory_.logits + r * sizes_.num_candidates; }
  __device__ int request_of(int r) const { return (first_ + r) / plan_.chunks(sizes_); }
  __device__ scalar_t temperature(int r) const { return params_.temperature[request_of(r)]; }

 private:
  __device__ scalar_t* hidden(int r) const { return memory_.hidden + r * sizes_.row_stride(); }
  __device__ const scalar_t* loop_weights() const {
    return plan_.resident ? memory_.weights : params_.weights;
  }

  // Two calls, so that the compiler knows in which memory each reads.
  template <typename Store>
  __device__ void multiply_loop_weights(const scalar_t* x, int offset, int columns, Store store) {
    const int D = sizes_.width, stride = sizes_.row_stride();
    if (plan_.resident) {
      multiply_rows(x, stride, count_, D, memory_.weights + offset, columns, store);
    } else {
      multiply_rows(x, stride, count_, D, params_.weights + offset, columns, store);
    }
  }

  template <typename SaveProjection>
  __device__ void project_state(SaveProjection save_projection) {
    const int D = sizes_.width, columns = sizes_.state_columns();
    const auto store = [&](int r, int column, scalar_t sum) {
      if (column < 3 * D) {
        sum += loop_weights()[weights_.b_hh() + column];
      } else {
        save_projection(r, column - 3 * D, sum);
      }
      memory_.state[r * columns + column] = sum;
    };
    multiply_loop_weights(memory_.hidden, weights_.w_hs_t(), columns, store);
  }

  __device__ void read_request(int r) {
    const int b = request_of(r);
    SequenceType& sequence = this->sequence(r);
    if (thread_in_warp() == 0) {
      sequence.request = view(b);
      sequence.index = b;
      sequence.largest_key = 0;
    }
    __syncwarp();
    const bool valid = is_valid(sequence.request, params_.slots[b], params_.temperature[b]);
    if (thread_in_warp() == 0) sequence.valid = valid;
    read_features(sequence);
    read_dedup_keys(sequence);
    const int H = sizes_.attention_width;
    const scalar_t* v = attention(b) + AttentionLayout{sizes_.num_flags, sizes_.num_groups}.v() * H;
    for (int i = thread_in_warp(); i < H; i += kWarp) memory_.v[r * H + i] = v[i];
  }

  __device__ RequestView view(int b) const {
    const int64_t M = sizes_.num_candidates, N = sizes_.num_slots, i = b;
    return {sizes_.num_candidates,
            sizes_.num_slots,
            sizes_.num_groups,
            sizes_.num_flags,
            static_cast<int>(params_.slots[b]),
            params_.mask + i * M,
            params_.flags + i * M * sizes_.num_flags,
            params_.groups + i * M * sizes_.num_groups,
            params_.pins + i * N,
            params_.dedup_keys + i * M,
            params_.spacing + i * sizes_.num_groups * 2,
            params_.quotas + i * sizes_.num_flags * 2};
  }

  __device__ const scalar_t* attention(int b) const {
    return params_.attention + b * params_.attention_stride;
  }

  __device__ scalar_t* keys(int r) const {
    if (plan_.shared_keys) return memory_.keys + r * sizes_.key_rows();
    const int64_t slot = static_cast<int64_t>(blockIdx.x) * plan_.sequences + r;
    return params_.keys + slot * sizes_.key_rows();
  }

  __device__ void begin_sequence(int r, int pass) {
    SequenceType& sequence = this->sequence(r);
    begin_slate(sequence);
    if (thread_in_warp() != 0) return;
    sequence.slate = (first_ + r) % plan_.chunks(sizes_) * plan_.slates_per_item + pass;
    sequence.slots =
        sequence.valid && sequence.slate < sizes_.num_slates ? sequence.request.slots : 0;
    sequence.choice = -1;
  }

  __device__ void list(int r, int slot, bool is_open) {
    SequenceType& sequence = this->sequence(r);
    if (is_open) {
      list_allowed(sequence, slot);
      find_classes(sequence, slot, params_.context_window);
    } else if (thread_in_warp() == 0) {
      sequence.size = sequence.num_classes = 0;
    }
  }

  // Rows of the classes first .. first + max_rows - 1 of every sequence.
  __device__ void fill_rows(int slot, int first) {
    const int H = sizes_.attention_width, D = sizes_.width;
    for (int i = threadIdx.x; i < count_ * plan_.max_rows * H; i += blockDim.x) {
      const int r = i / H / plan_.max_rows, row = first + i / H % plan_.max_rows, column = i % H;
      const SequenceType& sequence = this->sequence(r);
      if (row >= sequence.num_classes) continue;
      const auto parameters = score_parameters(sizes_, params_.weights, attention(sequence.index));
      const scalar_t projection = memory_.state[r * sizes_.state_columns() + 3 * D + column];
      memory_.rows[i] = table_entry(
          class_row(parameters, sequence, slot, sequence.class_bits[row], projection, column),
          sequence.direct);
    }
  }

  // Logits of the candidates whose class has a row now. A team per candidate.
  __device__ void fill_logits(int first) {
    const int M = sizes_.num_candidates, H = sizes_.attention_width;
    const int teams = blockDim.x / kTeam;
    for (int i = threadIdx.x / kTeam; i < count_ * M; i += teams) {
      const int r = i / M, j = i % M;
      const SequenceType& sequence = this->sequence(r);
      if (j >= sequence.size) continue;
      const int row = sequence.class_of[j] - first;
      if (row < 0 || row >= plan_.max_rows) continue;
      const scalar_t logit = cuda::score(keys(r) + sequence.allowed[j] * sizes_.key_stride(),
                                         memory_.rows + (r * plan_.max_rows + row) * H,
                                         memory_.v + r * H, H, sequence.direct);
      if (threadIdx.x % kTeam == 0) memory_.logits[i] = logit;
    }
  }

  const DecoderParams<scalar_t>& params_;
  const DecoderSizes& sizes_;
  const DecoderPlan& plan_;
  const BasicWeightLayout<int> weights_;
  DecoderMemory<scalar_t, kCapacity> memory_;
  int first_ = 0;
  int count_ = 0;
};

}  // namespace gerank::cuda
