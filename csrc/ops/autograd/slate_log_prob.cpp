#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <tuple>

#include "dispatch.h"
#include "forward_mode.h"

namespace gerank::autograd {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;
using PairTuple = std::tuple<at::Tensor, at::Tensor>;
using ForwardTuple =
    std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
using GradientTuple = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

template <typename Results>
Results forward_op(const char* name, const at::Tensor& candidates, const at::Tensor& set_vector,
                   const at::Tensor& mask, const at::Tensor& weights, const at::Tensor& attention,
                   const at::Tensor& flags, const at::Tensor& groups, const at::Tensor& pins,
                   const at::Tensor& dedup_keys, const at::Tensor& spacing,
                   const at::Tensor& quotas, const at::Tensor& slots, const at::Tensor& temperature,
                   const at::Tensor& slates, int64_t context_window) {
  using Signature = Results(
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
      const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t);
  static const auto op = find_op<Signature>(name);  // one per Results, and each has its own name
  return op.call(candidates, set_vector, mask, weights, attention, flags, groups, pins, dedup_keys,
                 spacing, quotas, slots, temperature, slates, context_window);
}

GradientTuple backward_op(const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy,
                          const at::Tensor& candidates, const at::Tensor& weights,
                          const at::Tensor& attention, const at::Tensor& flags,
                          const at::Tensor& groups, const at::Tensor& slots,
                          const at::Tensor& temperature, const at::Tensor& slates,
                          const at::Tensor& log_prob, const at::Tensor& entropy,
                          const at::Tensor& probs, const at::Tensor& hidden,
                          const at::Tensor& gates, const at::Tensor& projection,
                          int64_t context_window) {
  static const auto op = find_op<decltype(backward_op)>("gerank::slate_log_prob_backward");
  return op.call(grad_log_prob, grad_entropy, candidates, weights, attention, flags, groups, slots,
                 temperature, slates, log_prob, entropy, probs, hidden, gates, projection,
                 context_window);
}

class SlateLogProb : public torch::autograd::Function<SlateLogProb> {
 public:
  static variable_list forward(AutogradContext* ctx, const Variable& candidates,
                               const Variable& set_vector, const Variable& mask,
                               const Variable& weights, const Variable& attention,
                               const Variable& flags, const Variable& groups, const Variable& pins,
                               const Variable& dedup_keys, const Variable& spacing,
                               const Variable& quotas, const Variable& slots,
                               const Variable& temperature, const Variable& slates,
                               int64_t context_window) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    const auto [log_prob, entropy, probs, hidden, gates, projection] = forward_op<ForwardTuple>(
        "gerank::slate_log_prob_forward", candidates, set_vector, mask, weights, attention, flags,
        groups, pins, dedup_keys, spacing, quotas, slots, temperature, slates, context_window);
    ctx->save_for_backward({candidates, weights, attention, flags, groups, slots, temperature,
                            slates, log_prob, entropy, probs, hidden, gates, projection});
    ctx->saved_data["context_window"] = context_window;
    return {log_prob, entropy};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto [grad_candidates, grad_set_vector, grad_weights, grad_attention] =
        backward_op(gradients[0], gradients[1], saved[0], saved[1], saved[2], saved[3], saved[4],
                    saved[5], saved[6], saved[7], saved[8], saved[9], saved[10], saved[11],
                    saved[12], saved[13], ctx->saved_data["context_window"].toInt());
    const Variable none;
    return {grad_candidates,
            grad_set_vector,
            none,
            grad_weights,
            grad_attention,
            none,
            none,
            none,
            none,
            none,
            none,
            none,
            none,
            none,
            none};
  }
};

PairTuple slate_log_prob(const at::Tensor& candidates, const at::Tensor& set_vector,
                         const at::Tensor& mask, const at::Tensor& weights,
                         const at::Tensor& attention, const at::Tensor& flags,
                         const at::Tensor& groups, const at::Tensor& pins,
                         const at::Tensor& dedup_keys, const at::Tensor& spacing,
                         const at::Tensor& quotas, const at::Tensor& slots,
                         const at::Tensor& temperature, const at::Tensor& slates,
                         int64_t context_window) {
  no_tangents("gerank::slate_log_prob",
              {{"candidates", candidates},
               {"set_vector", set_vector},
               {"weights", weights},
               {"attention", attention},
               {"temperature", temperature}},
              kReverseMode);
  const bool differentiates = candidates.requires_grad() || set_vector.requires_grad() ||
                              weights.requires_grad() || attention.requires_grad();
  if (at::GradMode::is_enabled() && differentiates) {
    const auto results = SlateLogProb::apply(candidates, set_vector, mask, weights, attention,
                                             flags, groups, pins, dedup_keys, spacing, quotas,
                                             slots, temperature, slates, context_window);
    return {results[0], results[1]};
  }
  at::AutoDispatchBelowADInplaceOrView below_autograd;  // nothing is kept for a backward
  return forward_op<PairTuple>("gerank::slate_log_prob", candidates, set_vector, mask, weights,
                               attention, flags, groups, pins, dedup_keys, spacing, quotas, slots,
                               temperature, slates, context_window);
}

ForwardTuple slate_log_prob_forward(const at::Tensor& candidates, const at::Tensor& set_vector,
                                    const at::Tensor& mask, const at::Tensor& weights,
                                    const at::Tensor& attention, const at::Tensor& flags,
                                    const at::Tensor& groups, const at::Tensor& pins,
                                    const at::Tensor& dedup_keys, const at::Tensor& spacing,
                                    const at::Tensor& quotas, const at::Tensor& slots,
                                    const at::Tensor& temperature, const at::Tensor& slates,
                                    int64_t context_window) {
  no_tangents("gerank::slate_log_prob",
              {{"candidates", candidates},
               {"set_vector", set_vector},
               {"weights", weights},
               {"attention", attention},
               {"temperature", temperature}},
              kReverseMode);
  at::AutoDispatchBelowADInplaceOrView below_autograd;  // differentiable as slate_log_prob alone
  return forward_op<ForwardTuple>("gerank::slate_log_prob_forward", candidates, set_vector, mask,
                                  weights, attention, flags, groups, pins, dedup_keys, spacing,
                                  quotas, slots, temperature, slates, context_window);
}

// The gradient has no gradient of its own: asking for one is an error, not a silent zero.
class SlateLogProbBackward : public torch::autograd::Function<SlateLogProbBackward> {
 public:
  static variable_list forward(AutogradContext*, const Variable& grad_log_prob,
                               const Variable& grad_entropy, const Variable& candidates,
                               const Variable& weights, const Variable& attention,
                               const Variable& flags, const Variable& groups, const Variable& slots,
                               const Variable& temperature, const Variable& slates,
                               const Variable& log_prob, const Variable& entropy,
                               const Variable& probs, const Variable& hidden, const Variable& gates,
                               const Variable& projection, int64_t context_window) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    const auto [grad_candidates, grad_set_vector, grad_weights, grad_attention] = backward_op(
        grad_log_prob, grad_entropy, candidates, weights, attention, flags, groups, slots,
        temperature, slates, log_prob, entropy, probs, hidden, gates, projection, context_window);
    return {grad_candidates, grad_set_vector, grad_weights, grad_attention};
  }

  static variable_list backward(AutogradContext*, const variable_list&) {
    TORCH_CHECK(false, "gerank::slate_log_prob: differentiable once, got a second derivative");
  }
};

GradientTuple slate_log_prob_backward(const at::Tensor& grad_log_prob,
                                      const at::Tensor& grad_entropy, const at::Tensor& candidates,
                                      const at::Tensor& weights, const at::Tensor& attention,
                                      const at::Tensor& flags, const at::Tensor& groups,
                                      const at::Tensor& slots, const at::Tensor& temperature,
                                      const at::Tensor& slates, const at::Tensor& log_prob,
                                      const at::Tensor& entropy, const at::Tensor& probs,
                                      const at::Tensor& hidden, const at::Tensor& gates,
                                      const at::Tensor& projection, int64_t context_window) {
  no_tangents("gerank::slate_log_prob_backward",
              {{"grad_log_prob", grad_log_prob},
               {"grad_entropy", grad_entropy},
               {"candidates", candidates},
               {"weights", weights},
               {"attention", attention},
               {"temperature", temperature},
               {"log_prob", log_prob},
               {"entropy", entropy},
               {"probs", probs},
               {"hidden", hidden},
               {"gates", gates},
               {"projection", projection}},
              kOnce);
  const auto results = SlateLogProbBackward::apply(
      grad_log_prob, grad_entropy, candidates, weights, attention, flags, groups, slots,
      temperature, slates, log_prob, entropy, probs, hidden, gates, projection, context_window);
  return {results[0], results[1], results[2], results[3]};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Autograd, m) {
  m.impl("slate_log_prob", &slate_log_prob);
  m.impl("slate_log_prob_forward", &slate_log_prob_forward);
  m.impl("slate_log_prob_backward", &slate_log_prob_backward);
}

}  // namespace gerank::autograd
