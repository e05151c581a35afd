#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>
#include <vector>

#include "../checks.h"
#include "decoder_arguments.h"
#include "distribution.h"
#include "maths.h"

namespace gerank::cpu {
namespace {

template <typename scalar_t>
struct StepInputs {
  explicit StepInputs(const PointerStepArguments& arguments)
      : batch(arguments.keys.size(0)),
        num_candidates(arguments.keys.size(1)),
        width(arguments.keys.size(2)),
        num_features(arguments.context.size(2)),
        keys(arguments.keys),
        query(arguments.query),
        context(arguments.context),
        w_context(arguments.w_context),
        v(arguments.v),
        temperature(arguments.temperature) {}

  // row = query + W_c c of one candidate.
  template <typename Maths>
  void context_row(int64_t b, int64_t m, scalar_t* row) const {
    const scalar_t* features = context.data + (b * num_candidates + m) * num_features;
    std::copy_n(query.data + b * width, width, row);
    for (int64_t c = 0; c < num_features; ++c) {
      if (features[c] != 0) {
        Maths::add_scaled(w_context.of(b) + c * width, features[c], width, row);
      }
    }
  }

  const scalar_t* key(int64_t b, int64_t m) const {
    return keys.data + (b * num_candidates + m) * width;
  }

  int64_t batch, num_candidates, width, num_features;
  Packed<scalar_t> keys, query, context;
  SharedRows<scalar_t> w_context, v;
  Packed<scalar_t> temperature;
};

template <typename scalar_t>
struct StepOutputs {
  int64_t* choice;     // [B]
  scalar_t* log_prob;  // [B]
  scalar_t* entropy;   // [B]
  scalar_t* probs;     // [B, M]
};

struct StepChoice {
  const bool* mask;       // [B, M]
  const int64_t* seeds;   // [B]
  const bool* greedy;     // [B]
  const int64_t* forced;  // [B]
  int slot;
  int slate;
};

// One thread's memory for one request after another.
template <typename Maths>
class Stepper {
 public:
  using scalar_t = typename Maths::scalar_t;

  Stepper(const StepInputs<scalar_t>& inputs, const StepChoice& how,
          const StepOutputs<scalar_t>& outputs)
      : inputs_(inputs),
        how_(how),
        outputs_(outputs),
        row_(inputs.width),
        logits_(inputs.num_candidates),
        scaled_(inputs.num_candidates),
        probs_(inputs.num_candidates) {
    allowed_.reserve(inputs.num_candidates);
  }

  void step(int64_t b) {
    score(b);
    const int64_t forced = how_.forced[b];
    outputs_.choice[b] = forced;
    if (forced >= 0) outputs_.log_prob[b] = -std::numeric_limits<scalar_t>::infinity();
    if (allowed_.empty()) return;
    const auto distribution =
        distribute(logits_.data(), static_cast<int>(allowed_.size()), inputs_.temperature.data[b],
                   scaled_.data(), probs_.data());
    outputs_.entropy[b] = distribution.entropy;
    for (size_t i = 0; i < allowed_.size(); ++i) {
      outputs_.probs[b * inputs_.num_candidates + allowed_[i]] = probs_[i];
    }
    const int picked = forced >= 0 ? find(forced) : choose(b, distribution);
    if (picked < 0) return;
    outputs_.choice[b] = allowed_[picked];
    outputs_.log_prob[b] = distribution.log_prob(picked);
  }

 private:
  void score(int64_t b) {
    allowed_.clear();
    for (int64_t m = 0; m < inputs_.num_candidates; ++m) {
      if (!how_.mask[b * inputs_.num_candidates + m]) continue;
      inputs_.template context_row<Maths>(b, m, row_.data());
      logits_[allowed_.size()] =
          Maths::score(inputs_.key(b, m), row_.data(), inputs_.v.of(b), inputs_.width);
      allowed_.push_back(static_cast<int>(m));
    }
  }

  int find(int64_t candidate) const {
    const auto at = std::lower_bound(allowed_.begin(), allowed_.end(), candidate);
    return at != allowed_.end() && *at == candidate ? static_cast<int>(at - allowed_.begin()) : -1;
  }

  int choose(int64_t b, const Distribution<scalar_t>& distribution) const {
    if (how_.greedy[b]) return argmax(logits_.data(), distribution.size);
    const Draw draw = {static_cast<uint64_t>(how_.seeds[b]), how_.slot, how_.slate};
    return sample(distribution, draw, [&](int i) { return allowed_[i]; });
  }

  const StepInputs<scalar_t>& inputs_;
  const StepChoice& how_;
  const StepOutputs<scalar_t>& outputs_;
  std::vector<int> allowed_;
  std::vector<scalar_t> row_;
  std::vector<scalar_t> logits_;
  std::vector<scalar_t> scaled_;
  std::vector<scalar_t> probs_;
};

template <typename scalar_t>
void check_step_values(const StepInputs<scalar_t>& inputs, const int64_t* forced) {
  for (int64_t b = 0; b < inputs.batch; ++b) {
    TORCH_CHECK(forced[b] >= -1 && forced[b] < inputs.num_candidates,
                "gerank::pointer_step: forced must be -1 or a candidate below ",
                inputs.num_candidates, ", got ", forced[b], " for request ", b);
    const scalar_t temperature = inputs.temperature.data[b];
    TORCH_CHECK(temperature > 0 && std::isfinite(temperature),
                "gerank::pointer_step: temperature must be positive and finite, got ", temperature,
                " for request ", b);
  }
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> pointer_step_cpu(
    const at::Tensor& keys, const at::Tensor& query, const at::Tensor& context,
    const at::Tensor& w_context, const at::Tensor& v, const at::Tensor& mask,
    const at::Tensor& temperature, const at::Tensor& seeds, const at::Tensor& greedy,
    const at::Tensor& forced, int64_t slot, int64_t slate) {
  const PointerStepArguments arguments = {keys, query, context, w_context, v, temperature};
  const auto check = check_pointer_step(arguments, "pointer_step");
  check_pointer_step_choice(check, keys, mask, seeds, greedy, forced, slot, slate);
  const int64_t B = keys.size(0), M = keys.size(1);
  at::Tensor choice = at::empty({B}, forced.options());
  at::Tensor log_prob = at::zeros({B}, keys.options());
  at::Tensor entropy = at::zeros({B}, keys.options());
  at::Tensor probs = at::zeros({B, M}, keys.options());
  AT_DISPATCH_FLOATING_TYPES(keys.scalar_type(), "pointer_step", [&] {
    const StepInputs<scalar_t> inputs(arguments);
    const Packed<bool> allowed(mask), is_greedy(greedy);
    const Packed<int64_t> seed(seeds), forced_choice(forced);
    check_step_values(inputs, forced_choice.data);
    const StepChoice how = {allowed.data,           seed.data,
                            is_greedy.data,         forced_choice.data,
                            static_cast<int>(slot), static_cast<int>(slate)};
    const StepOutputs<scalar_t> outputs = {
        choice.mutable_data_ptr<int64_t>(), log_prob.mutable_data_ptr<scalar_t>(),
        entropy.mutable_data_ptr<scalar_t>(), probs.mutable_data_ptr<scalar_t>()};
    at::parallel_for(0, B, 1, [&](int64_t begin, int64_t end) {
      Stepper<PlainMaths<scalar_t>> stepper(inputs, how, outputs);
      for (int64_t b = begin; b < end; ++b) stepper.step(b);
    });
  });
  return {choice, log_prob, entropy, probs};
}

template <typename scalar_t>
struct StepGradients {
  scalar_t* keys;       // [B, M, H]
  scalar_t* query;      // [B, H]
  scalar_t* w_context;  // [B, C, H]
  scalar_t* v;          // [B, H]
};

template <typename scalar_t>
struct StepResult {
  explicit StepResult(const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy,
                      const at::Tensor& choice, const at::Tensor& log_prob,
                      const at::Tensor& entropy, const at::Tensor& probs)
      : grad_log_prob(grad_log_prob),
        grad_entropy(grad_entropy),
        choice(choice),
        log_prob(log_prob),
        entropy(entropy),
        probs(probs) {}

  Packed<scalar_t> grad_log_prob, grad_entropy;
  Packed<int64_t> choice;
  Packed<scalar_t> log_prob, entropy, probs;
};

template <typename Maths>
void step_gradient(const StepInputs<typename Maths::scalar_t>& inputs,
                   const StepResult<typename Maths::scalar_t>& result, int64_t b,
                   std::vector<typename Maths::scalar_t>& memory,
                   const StepGradients<typename Maths::scalar_t>& gradients) {
  using scalar_t = typename Maths::scalar_t;
  const int64_t M = inputs.num_candidates, H = inputs.width, C = inputs.num_features;
  scalar_t* row = memory.data();
  scalar_t* grad_row = memory.data() + H;
  scalar_t* grad_logits = memory.data() + 2 * H;
  const int64_t choice = result.choice.data[b];
  if (choice < 0) return;
  // A forced choice that was not allowed has log_prob -inf and no gradient.
  const scalar_t grad_log_prob =
      std::isfinite(result.log_prob.data[b]) ? result.grad_log_prob.data[b] : scalar_t(0);
  const SlotGradient<scalar_t> gradient = {result.probs.data + b * M, result.entropy.data[b],
                                           grad_log_prob, result.grad_entropy.data[b],
                                           inputs.temperature.data[b]};
  gradient.by_logits(choice, M, grad_logits);
  for (int64_t m = 0; m < M; ++m) {
    const scalar_t grad = grad_logits[m];
    if (grad == 0) continue;
    inputs.template context_row<Maths>(b, m, row);
    std::fill_n(grad_row, H, scalar_t(0));
    Maths::score_gradient(inputs.key(b, m), row, inputs.v.of(b), grad, H,
                          gradients.keys + (b * M + m) * H, grad_row, gradients.v + b * H);
    Maths::add_scaled(grad_row, scalar_t(1), H, gradients.query + b * H);
    const scalar_t* features = inputs.context.data + (b * M + m) * C;
    for (int64_t c = 0; c < C; ++c) {
      if (features[c] == 0) continue;
      Maths::add_scaled(grad_row, features[c], H, gradients.w_context + (b * C + c) * H);
    }
  }
}

// The gradient of a parameter that all requests share is the sum of theirs.
at::Tensor as_given(const at::Tensor& per_request, const at::Tensor& parameter) {
  return parameter.size(0) == per_request.size(0) ? per_request : per_request.sum(0, true);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> pointer_step_backward_cpu(
    const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy, const at::Tensor& keys,
    const at::Tensor& query, const at::Tensor& context, const at::Tensor& w_context,
    const at::Tensor& v, const at::Tensor& temperature, const at::Tensor& choice,
    const at::Tensor& log_prob, const at::Tensor& entropy, const at::Tensor& probs) {
  const PointerStepArguments arguments = {keys, query, context, w_context, v, temperature};
  check_pointer_step_backward(arguments, grad_log_prob, grad_entropy, choice, log_prob, entropy,
                              probs);
  const int64_t B = keys.size(0), M = keys.size(1), H = keys.size(2), C = context.size(2);
  at::Tensor grad_keys = at::zeros({B, M, H}, keys.options());
  at::Tensor grad_query = at::zeros({B, H}, keys.options());
  at::Tensor grad_w_context = at::zeros({B, C, H}, keys.options());
  at::Tensor grad_v = at::zeros({B, H}, keys.options());
  AT_DISPATCH_FLOATING_TYPES(keys.scalar_type(), "pointer_step_backward", [&] {
    const StepInputs<scalar_t> inputs(arguments);
    const StepResult<scalar_t> result(grad_log_prob, grad_entropy, choice, log_prob, entropy,
                                      probs);
    const StepGradients<scalar_t> gradients = {
        grad_keys.mutable_data_ptr<scalar_t>(), grad_query.mutable_data_ptr<scalar_t>(),
        grad_w_context.mutable_data_ptr<scalar_t>(), grad_v.mutable_data_ptr<scalar_t>()};
    at::parallel_for(0, B, 1, [&](int64_t begin, int64_t end) {
      std::vector<scalar_t> memory(2 * H + M);
      for (int64_t b = begin; b < end; ++b) {
        step_gradient<PlainMaths<scalar_t>>(inputs, result, b, memory, gradients);
      }
    });
  });
  return {grad_keys, grad_query, as_given(grad_w_context, w_context), as_given(grad_v, v)};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) {
  m.impl("pointer_step", &pointer_step_cpu);
  m.impl("pointer_step_backward", &pointer_step_backward_cpu);
}

}  // namespace gerank::cpu
