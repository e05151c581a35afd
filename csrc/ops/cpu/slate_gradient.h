// The backward of the teacher-forced loop for one request: first the scores, slot by slot, then the
// GRU back through time.
//
// The choices are given, so local context and masks are constants, and the GRU's states do not
// depend on the scores. The gradients of the shared weights are products over all slots of all
// requests; this leaves their factors behind (see slate_log_prob_backward.cpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../../decode/local_context.h"
#include "context_classes.h"
#include "decoder_arguments.h"
#include "distribution.h"
#include "query.h"

namespace gerank::cpu {

template <typename scalar_t>
struct GradientInputs {
  int64_t num_candidates, num_slots, num_slates, width, attention_width, num_flags, num_groups;
  Packed<scalar_t> grad_log_prob, grad_entropy;  // [B, G, N]
  Packed<scalar_t> keys;                         // [B, M, H]
  Packed<scalar_t> candidates;                   // [B, M, D]
  Packed<scalar_t> weights;                      // [P]
  SharedRows<scalar_t> attention;                // [B or 1, C + 3, H]
  Packed<bool> flags;                            // [B, M, Q]
  Packed<int64_t> groups;                        // [B, M, K]
  Packed<int64_t> slots;                         // [B]
  Packed<scalar_t> temperature;                  // [B]
  Packed<int64_t> slates;                        // [B, G, N]
  Packed<scalar_t> log_prob, entropy;            // [B, G, N]
  Packed<scalar_t> probs;                        // [B, G, N, M]
  Packed<scalar_t> hidden;                       // [B, G, N + 1, D]
  Packed<scalar_t> gates;                        // [B, G, N, 4D]
  Packed<scalar_t> projection;                   // [B, G, N, H]

  WeightLayout weight_layout() const { return {width, attention_width, num_flags}; }
  AttentionLayout attention_layout() const { return {num_flags, num_groups}; }
};

// All zero at the start.
template <typename scalar_t>
struct GradientOutputs {
  scalar_t* keys;        // [B, M, H]
  scalar_t* candidates;  // [B, M, D] what reaches them as inputs of the GRU
  scalar_t* set_vector;  // [B, D]
  scalar_t* start;       // [B, D]
  scalar_t* attention;   // [B, C + 3, H]
  scalar_t* query;       // [B, G, N, H]
  scalar_t* terms;       // [B, G, N, Q + 1] the shared terms g_n themselves
  scalar_t* state;       // [B, G, N + 1, 3D + H] of [W_hh; W_s] h; row 0 is the set vector's
  scalar_t* input;       // [B, G, N, 3D] of W_ih x
  scalar_t* inputs;      // [B, G, N, D] the inputs x_n themselves
};

template <typename Maths>
class SlateGradient {
 public:
  using scalar_t = typename Maths::scalar_t;

  SlateGradient(const GradientInputs<scalar_t>& saved, int64_t context_window,
                const GradientOutputs<scalar_t>& gradients)
      : saved_(saved),
        gradients_(gradients),
        weights_(saved.weight_layout()),
        layout_(saved.attention_layout()),
        window_(context_window),
        query_(saved.attention_width),
        rows_(saved.num_candidates * saved.attention_width),
        grad_rows_(saved.num_candidates * saved.attention_width),
        grad_logits_(saved.num_candidates),
        grad_hidden_(saved.width),
        listed_(saved.num_candidates) {}

  void add(int64_t b) {
    request_ = {};
    request_.num_candidates = static_cast<int>(saved_.num_candidates);
    request_.num_groups = static_cast<int>(saved_.num_groups);
    request_.num_flags = static_cast<int>(saved_.num_flags);
    request_.slots = static_cast<int>(saved_.slots.data[b]);
    request_.flags = saved_.flags.data + b * saved_.num_candidates * saved_.num_flags;
    request_.groups = saved_.groups.data + b * saved_.num_candidates * saved_.num_groups;
    find_flags(request_, attributes_);
    for (int k = 0; k < request_.num_groups; ++k) find_groups(request_, k, table_, attributes_);
    for (int64_t slate = 0; slate < saved_.num_slates; ++slate) {
      add_scores(b, b * saved_.num_slates + slate);
      add_states(b, b * saved_.num_slates + slate);
    }
  }

 private:
  // `slate` counts through all requests.
  int64_t row(int64_t slate, int slot) const { return slate * saved_.num_slots + slot; }

  void add_scores(int64_t b, int64_t slate) {
    clear_prefix(request_.num_candidates, request_.num_groups, prefix_);
    for (int slot = 0; slot < request_.slots; ++slot) {
      const int64_t at = row(slate, slot);
      const int size = list_gradients(b, at);
      if (size > 0) add_slot(b, slate, slot, size);
      const int choice = static_cast<int>(saved_.slates.data[at]);
      if (choice < 0) continue;
      extend_prefix(attributes_, request_.num_groups, request_.num_flags, slot, choice, prefix_);
    }
  }

  // The candidates whose logits have a gradient at this slot. Pinned and empty slots, where nothing
  // was drawn, have no probabilities; a choice that was not allowed has log_prob -inf.
  int list_gradients(int64_t b, int64_t at) {
    const int64_t M = saved_.num_candidates;
    const scalar_t* probs = saved_.probs.data + at * M;
    if (std::all_of(probs, probs + M, [](scalar_t p) { return p == 0; })) return 0;
    const scalar_t grad_log_prob =
        std::isfinite(saved_.log_prob.data[at]) ? saved_.grad_log_prob.data[at] : scalar_t(0);
    const SlotGradient<scalar_t> gradient = {probs, saved_.entropy.data[at], grad_log_prob,
                                             saved_.grad_entropy.data[at],
                                             saved_.temperature.data[b]};
    gradient.by_logits(saved_.slates.data[at], M, grad_logits_.data());
    int size = 0;
    for (int64_t m = 0; m < M; ++m) {
      if (grad_logits_[m] != 0) listed_[size++] = static_cast<int16_t>(m);
    }
    return size;
  }

  void add_slot(int64_t b, int64_t slate, int slot, int size) {
    const int64_t M = saved_.num_candidates, H = saved_.attention_width;
    const QueryParameters<scalar_t> parameters = {weights_, layout_, saved_.weights.data,
                                                  saved_.attention.of(b)};
    const scalar_t* projection = saved_.projection.data + row(slate, slot) * H;
    scalar_t* grad_attention = gradients_.attention + b * layout_.rows() * H;
    find_classes(request_, attributes_, prefix_, slot, window_, listed_.data(), size, classes_);
    slot_query<Maths>(parameters, request_, prefix_, slot, projection, query_.data());
    class_rows<Maths>(parameters, classes_, prefix_, query_.data(), rows_.data());
    std::fill_n(grad_rows_.data(), classes_.size * H, scalar_t(0));
    for (int j = 0; j < size; ++j) {
      const int64_t key = (b * M + listed_[j]) * H;
      Maths::score_gradient(saved_.keys.data + key, rows_.data() + classes_.of[j] * H,
                            parameters.row(layout_.v()), grad_logits_[listed_[j]], H,
                            gradients_.keys + key, grad_rows_.data() + classes_.of[j] * H,
                            grad_attention + layout_.v() * H);
    }
    scalar_t* grad_query = gradients_.query + row(slate, slot) * H;
    add_context(grad_attention, grad_query);
    add_query(parameters, projection, grad_query, grad_attention, slate, slot);
  }

  // From the classes' rows to W_c and to the query.
  void add_context(scalar_t* grad_attention, scalar_t* grad_query) {
    const int64_t H = saved_.attention_width;
    for (int c = 0; c < classes_.size; ++c) {
      const scalar_t* grad_row = grad_rows_.data() + c * H;
      Maths::add_scaled(grad_row, scalar_t(1), H, grad_query);
      for_each_feature<scalar_t>(
          prefix_, layout_, classes_.bits[c], [&](int64_t feature, scalar_t value) {
            Maths::add_scaled(grad_row, value, H, grad_attention + feature * H);
          });
    }
  }

  // From the query to bias, scale, the shared terms' factor and W_s h.
  void add_query(const QueryParameters<scalar_t>& parameters, const scalar_t* projection,
                 const scalar_t* grad_query, scalar_t* grad_attention, int64_t slate, int slot) {
    const int64_t H = saved_.attention_width;
    const scalar_t* scale = parameters.row(layout_.scale());
    scalar_t* grad_bias = grad_attention + layout_.bias() * H;
    scalar_t* grad_scale = grad_attention + layout_.scale() * H;
    scalar_t* grad_projection = state_gradient(slate, slot + 1) + 3 * saved_.width;
    for (int64_t i = 0; i < H; ++i) {
      grad_bias[i] += grad_query[i];
      grad_scale[i] += grad_query[i] * projection[i];
      grad_projection[i] = grad_query[i] * scale[i];
    }
    scalar_t* terms = gradients_.terms + row(slate, slot) * (saved_.num_flags + 1);
    for (int s = 0; s <= request_.num_flags; ++s) {
      terms[s] = shared_term<scalar_t>(prefix_, request_.num_flags, slot, request_.slots, s);
    }
  }

  // Row n + 1 belongs to h_n: to the GRU's step n + 1 and to the query of slot n.
  scalar_t* state_gradient(int64_t slate, int index) const {
    return gradients_.state + (slate * (saved_.num_slots + 1) + index) * weights_.state_columns();
  }

  void add_states(int64_t b, int64_t slate) {
    const int64_t D = saved_.width, columns = weights_.state_columns();
    const scalar_t* w_hs_t = saved_.weights.data + weights_.w_hs_t();
    std::fill_n(grad_hidden_.data(), D, scalar_t(0));
    for (int slot = request_.slots - 1; slot >= 0; --slot) {
      Maths::add_transposed_product(state_gradient(slate, slot + 1), columns, w_hs_t, columns, D,
                                    grad_hidden_.data());
      add_gru(slate, slot);
      add_input(b, slate, slot);
    }
    if (request_.slots == 0) return;
    Maths::add_transposed_product(state_gradient(slate, 0), columns, w_hs_t, columns, D,
                                  grad_hidden_.data());
    Maths::add_scaled(grad_hidden_.data(), scalar_t(1), D, gradients_.set_vector + b * D);
  }

  // Through one GRU step: dh_n in grad_hidden_ becomes the part of dh_{n-1} that bypasses W_hh.
  void add_gru(int64_t slate, int slot) {
    const int64_t D = saved_.width;
    const scalar_t* previous = saved_.hidden.data + (slate * (saved_.num_slots + 1) + slot) * D;
    const scalar_t* gates = saved_.gates.data + row(slate, slot) * 4 * D;
    scalar_t* grad_input = gradients_.input + row(slate, slot) * 3 * D;
    scalar_t* grad_state = state_gradient(slate, slot);
    for (int64_t i = 0; i < D; ++i) {
      const scalar_t r = gates[i], z = gates[D + i], n = gates[2 * D + i];
      const scalar_t grad = grad_hidden_[i];
      const scalar_t grad_n = grad * (1 - z) * (1 - n * n);
      const scalar_t grad_r = grad_n * gates[3 * D + i] * r * (1 - r);
      const scalar_t grad_z = grad * (previous[i] - n) * z * (1 - z);
      grad_input[i] = grad_state[i] = grad_r;
      grad_input[D + i] = grad_state[D + i] = grad_z;
      grad_input[2 * D + i] = grad_n;
      grad_state[2 * D + i] = grad_n * r;
      grad_hidden_[i] = grad * z;
    }
  }

  // The input of a slot is the last candidate placed before it, or the start vector.
  void add_input(int64_t b, int64_t slate, int slot) {
    const int64_t D = saved_.width;
    const int64_t* choices = saved_.slates.data + row(slate, 0);
    int last = slot - 1;
    while (last >= 0 && choices[last] < 0) --last;
    const int64_t candidate = last < 0 ? 0 : (b * saved_.num_candidates + choices[last]) * D;
    const scalar_t* input =
        last < 0 ? saved_.weights.data + weights_.start() : saved_.candidates.data + candidate;
    scalar_t* grad = last < 0 ? gradients_.start + b * D : gradients_.candidates + candidate;
    std::copy_n(input, D, gradients_.inputs + row(slate, slot) * D);
    Maths::add_transposed_product(gradients_.input + row(slate, slot) * 3 * D, 3 * D,
                                  saved_.weights.data + weights_.w_ih_t(), 3 * D, D, grad);
  }

  const GradientInputs<scalar_t>& saved_;
  const GradientOutputs<scalar_t>& gradients_;
  const WeightLayout weights_;
  const AttentionLayout layout_;
  const int64_t window_;
  RequestView request_;
  Attributes attributes_;
  Prefix prefix_;
  LeaderTable table_;
  ContextClasses classes_;
  std::vector<scalar_t> query_;        // [H]
  std::vector<scalar_t> rows_;         // [M, H] per class
  std::vector<scalar_t> grad_rows_;    // [M, H]
  std::vector<scalar_t> grad_logits_;  // [M]
  std::vector<scalar_t> grad_hidden_;  // [D]
  std::vector<int16_t> listed_;        // [M]
};

}  // namespace gerank::cpu
