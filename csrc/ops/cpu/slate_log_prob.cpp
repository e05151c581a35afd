#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <limits>
#include <tuple>

#include "../checks.h"
#include "decoder.h"
#include "maths.h"

namespace gerank::cpu {
namespace {

// What a slot leaves behind. The pointers below `entropy` are null unless a backward will follow.
template <typename scalar_t>
struct TeacherOutputs {
  scalar_t* log_prob;    // [B, G, N]
  scalar_t* entropy;     // [B, G, N]
  scalar_t* probs;       // [B, G, N, M]
  scalar_t* hidden;      // [B, G, N + 1, D]
  scalar_t* gates;       // [B, G, N, 4D]
  scalar_t* projection;  // [B, G, N, H]
};

// Walks along given slates.
template <typename Maths>
class Teacher {
 public:
  using scalar_t = typename Maths::scalar_t;

  Teacher(const DecoderInputs<scalar_t>& inputs, const int64_t* slates, int64_t num_slates,
          int64_t context_window, int64_t block, const TeacherOutputs<scalar_t>& outputs)
      : inputs_(inputs),
        decoder_(inputs, context_window, block),
        slates_(slates),
        num_slates_(num_slates),
        outputs_(outputs) {}

  void walk(int64_t first, int64_t count) {
    decoder_.load(first, count);
    for (int64_t slate = 0; slate < num_slates_; ++slate) {
      decoder_.begin();
      for (int64_t i = 0; i < count; ++i) save_set_vector((first + i) * num_slates_ + slate, i);
      const int64_t most = decoder_.most_slots();
      for (int slot = 0; slot < most; ++slot) {
        const auto row = [&](int64_t i) {
          return ((first + i) * num_slates_ + slate) * inputs_.num_slots + slot;
        };
        decoder_.advance([&](int64_t i) { return gates(row(i), i, slot); });
        for (int64_t i = 0; i < count; ++i) {
          if (slot >= decoder_.request(i).slots) continue;
          save_state((first + i) * num_slates_ + slate, i, slot);
          follow(row(i), i, slot);
        }
      }
    }
  }

 private:
  // Where the gates of a slot are kept, if they are.
  scalar_t* gates(int64_t row, int64_t i, int slot) const {
    const bool kept = outputs_.gates != nullptr && slot < decoder_.request(i).slots;
    return kept ? outputs_.gates + row * 4 * inputs_.width : nullptr;
  }

  void save_set_vector(int64_t slate, int64_t i) {
    if (outputs_.hidden == nullptr) return;
    std::copy_n(decoder_.hidden(i), inputs_.width,
                outputs_.hidden + slate * (inputs_.num_slots + 1) * inputs_.width);
  }

  void save_state(int64_t slate, int64_t i, int slot) {
    if (outputs_.hidden == nullptr) return;
    const int64_t D = inputs_.width, H = inputs_.attention_width, N = inputs_.num_slots;
    std::copy_n(decoder_.hidden(i), D, outputs_.hidden + (slate * (N + 1) + slot + 1) * D);
    std::copy_n(decoder_.projection(i), H, outputs_.projection + (slate * N + slot) * H);
  }

  void follow(int64_t row, int64_t i, int slot) {
    const int given = static_cast<int>(slates_[row]);
    const int64_t pin = decoder_.request(i).pins[slot];
    if (given >= 0 && pin < 0) judge(row, i, slot, given);
    if (given >= 0 && pin >= 0 && given != pin) outputs_.log_prob[row] = kImpossible;
    decoder_.place(i, slot, given);
  }

  void judge(int64_t row, int64_t i, int slot, int given) {
    outputs_.log_prob[row] = kImpossible;
    const auto scored = decoder_.score(i, slot);
    if (scored.size == 0) return;
    const auto distribution = decoder_.distribution(i, scored);
    outputs_.entropy[row] = distribution.entropy;
    const int16_t* end = scored.candidates + scored.size;
    const int16_t* found = std::lower_bound(scored.candidates, end, given);
    if (found != end && *found == given) {
      outputs_.log_prob[row] = distribution.log_prob(static_cast<int>(found - scored.candidates));
    }
    if (outputs_.probs == nullptr) return;
    scalar_t* probs = outputs_.probs + row * inputs_.num_candidates;
    for (int j = 0; j < scored.size; ++j) probs[scored.candidates[j]] = distribution.probs[j];
  }

  static constexpr scalar_t kImpossible = -std::numeric_limits<scalar_t>::infinity();

  const DecoderInputs<scalar_t>& inputs_;
  Decoder<Maths> decoder_;
  const int64_t* slates_;
  int64_t num_slates_;
  TeacherOutputs<scalar_t> outputs_;
};

template <typename scalar_t>
void check_slates(const DecoderInputs<scalar_t>& inputs, const int64_t* slates,
                  int64_t num_slates) {
  const int64_t count = inputs.batch * num_slates * inputs.num_slots;
  for (int64_t i = 0; i < count; ++i) {
    TORCH_CHECK(slates[i] >= -1 && slates[i] < inputs.num_candidates,
                "gerank::slate_log_prob: slates must hold -1 or a candidate below ",
                inputs.num_candidates, ", got ", slates[i], " at slot ", i % inputs.num_slots,
                " of slate ", i / inputs.num_slots % num_slates, " of request ",
                i / inputs.num_slots / num_slates);
  }
}

template <typename scalar_t>
void walk_slates(const DecoderArguments& arguments, const at::Tensor& slates,
                 int64_t context_window, const TeacherOutputs<scalar_t>& outputs) {
  const DecoderInputs<scalar_t> inputs(arguments);
  const Packed<int64_t> given(slates);
  const int64_t B = slates.size(0), G = slates.size(1);
  check_values(inputs, "slate_log_prob");
  check_slates(inputs, given.data, G);
  const int64_t block = block_size(B);
  at::parallel_for(0, (B + block - 1) / block, 1, [&](int64_t begin, int64_t end) {
    Teacher<PlainMaths<scalar_t>> teacher(inputs, given.data, G, context_window, block, outputs);
    for (int64_t i = begin; i < end; ++i) teacher.walk(i * block, std::min(block, B - i * block));
  });
}

std::tuple<at::Tensor, at::Tensor> slate_log_prob_cpu(
    const at::Tensor& candidates, const at::Tensor& set_vector, const at::Tensor& mask,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& pins, const at::Tensor& dedup_keys,
    const at::Tensor& spacing, const at::Tensor& quotas, const at::Tensor& slots,
    const at::Tensor& temperature, const at::Tensor& slates, int64_t context_window) {
  const DecoderArguments arguments = {candidates, set_vector, mask,       weights,    attention,
                                      flags,      groups,     pins,       dedup_keys, spacing,
                                      quotas,     slots,      temperature};
  check_slate_log_prob(arguments, slates, context_window);
  at::Tensor log_prob = at::zeros(slates.sizes(), candidates.options());
  at::Tensor entropy = at::zeros(slates.sizes(), candidates.options());
  AT_DISPATCH_FLOATING_TYPES(candidates.scalar_type(), "slate_log_prob", [&] {
    walk_slates<scalar_t>(
        arguments, slates, context_window,
        {log_prob.mutable_data_ptr<scalar_t>(), entropy.mutable_data_ptr<scalar_t>(), nullptr,
         nullptr, nullptr, nullptr});
  });
  return {log_prob, entropy};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>
slate_log_prob_forward_cpu(const at::Tensor& candidates, const at::Tensor& set_vector,
                           const at::Tensor& mask, const at::Tensor& weights,
                           const at::Tensor& attention, const at::Tensor& flags,
                           const at::Tensor& groups, const at::Tensor& pins,
                           const at::Tensor& dedup_keys, const at::Tensor& spacing,
                           const at::Tensor& quotas, const at::Tensor& slots,
                           const at::Tensor& temperature, const at::Tensor& slates,
                           int64_t context_window) {
  const DecoderArguments arguments = {candidates, set_vector, mask,       weights,    attention,
                                      flags,      groups,     pins,       dedup_keys, spacing,
                                      quotas,     slots,      temperature};
  check_slate_log_prob(arguments, slates, context_window);
  const int64_t M = candidates.size(1), D = candidates.size(2), H = attention.size(2);
  const int64_t B = slates.size(0), G = slates.size(1), N = slates.size(2);
  // Zeros, because the backward multiplies rows behind a slate's end by a gradient of 0.
  const auto zeros = [&](int64_t rows, int64_t columns) {
    return at::zeros({B, G, rows, columns}, candidates.options());
  };
  at::Tensor log_prob = at::zeros(slates.sizes(), candidates.options());
  at::Tensor entropy = at::zeros(slates.sizes(), candidates.options());
  at::Tensor probs = zeros(N, M), hidden = zeros(N + 1, D);
  at::Tensor gates = zeros(N, 4 * D), projection = zeros(N, H);
  AT_DISPATCH_FLOATING_TYPES(candidates.scalar_type(), "slate_log_prob_forward", [&] {
    walk_slates<scalar_t>(
        arguments, slates, context_window,
        {log_prob.mutable_data_ptr<scalar_t>(), entropy.mutable_data_ptr<scalar_t>(),
         probs.mutable_data_ptr<scalar_t>(), hidden.mutable_data_ptr<scalar_t>(),
         gates.mutable_data_ptr<scalar_t>(), projection.mutable_data_ptr<scalar_t>()});
  });
  return {log_prob, entropy, probs, hidden, gates, projection};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) {
  m.impl("slate_log_prob", &slate_log_prob_cpu);
  m.impl("slate_log_prob_forward", &slate_log_prob_forward_cpu);
}

}  // namespace gerank::cpu
