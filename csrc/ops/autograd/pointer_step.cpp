#include <ATen/core/LegacyTypeDispatch.h>
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
using StepTuple = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

StepTuple pointer_step_op(const at::Tensor& keys, const at::Tensor& query,
                          const at::Tensor& context, const at::Tensor& w_context,
                          const at::Tensor& v, const at::Tensor& mask,
                          const at::Tensor& temperature, const at::Tensor& seeds,
                          const at::Tensor& greedy, const at::Tensor& forced, int64_t slot,
                          int64_t slate) {
  static const auto op = find_op<decltype(pointer_step_op)>("gerank::pointer_step");
  return op.call(keys, query, context, w_context, v, mask, temperature, seeds, greedy, forced, slot,
                 slate);
}

StepTuple pointer_step_backward_op(const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy,
                                   const at::Tensor& keys, const at::Tensor& query,
                                   const at::Tensor& context, const at::Tensor& w_context,
                                   const at::Tensor& v, const at::Tensor& temperature,
                                   const at::Tensor& choice, const at::Tensor& log_prob,
                                   const at::Tensor& entropy, const at::Tensor& probs) {
  static const auto op =
      find_op<decltype(pointer_step_backward_op)>("gerank::pointer_step_backward");
  return op.call(grad_log_prob, grad_entropy, keys, query, context, w_context, v, temperature,
                 choice, log_prob, entropy, probs);
}

class PointerStep : public torch::autograd::Function<PointerStep> {
 public:
  static variable_list forward(AutogradContext* ctx, const Variable& keys, const Variable& query,
                               const Variable& context, const Variable& w_context,
                               const Variable& v, const Variable& mask, const Variable& temperature,
                               const Variable& seeds, const Variable& greedy,
                               const Variable& forced, int64_t slot, int64_t slate) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    const auto [choice, log_prob, entropy, probs] = pointer_step_op(
        keys, query, context, w_context, v, mask, temperature, seeds, greedy, forced, slot, slate);
    ctx->save_for_backward(
        {keys, query, context, w_context, v, temperature, choice, log_prob, entropy, probs});
    ctx->mark_non_differentiable({choice, probs});
    return {choice, log_prob, entropy, probs};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const auto [grad_keys, grad_query, grad_w_context, grad_v] =
        pointer_step_backward_op(gradients[1], gradients[2], saved[0], saved[1], saved[2], saved[3],
                                 saved[4], saved[5], saved[6], saved[7], saved[8], saved[9]);
    const Variable none;
    return {grad_keys, grad_query, none, grad_w_context, grad_v, none,
            none,      none,       none, none,           none,   none};
  }
};

StepTuple pointer_step(const at::Tensor& keys, const at::Tensor& query, const at::Tensor& context,
                       const at::Tensor& w_context, const at::Tensor& v, const at::Tensor& mask,
                       const at::Tensor& temperature, const at::Tensor& seeds,
                       const at::Tensor& greedy, const at::Tensor& forced, int64_t slot,
                       int64_t slate) {
  no_tangents("gerank::pointer_step",
              {{"keys", keys},
               {"query", query},
               {"context", context},
               {"w_context", w_context},
               {"v", v},
               {"temperature", temperature}},
              kReverseMode);
  const auto results = PointerStep::apply(keys, query, context, w_context, v, mask, temperature,
                                          seeds, greedy, forced, slot, slate);
  return {results[0], results[1], results[2], results[3]};
}

// The gradient has no gradient of its own: asking for one is an error, not a silent zero.
class PointerStepBackward : public torch::autograd::Function<PointerStepBackward> {
 public:
  static variable_list forward(AutogradContext*, const Variable& grad_log_prob,
                               const Variable& grad_entropy, const Variable& keys,
                               const Variable& query, const Variable& context,
                               const Variable& w_context, const Variable& v,
                               const Variable& temperature, const Variable& choice,
                               const Variable& log_prob, const Variable& entropy,
                               const Variable& probs) {
    at::AutoDispatchBelowADInplaceOrView below_autograd;
    const auto [grad_keys, grad_query, grad_w_context, grad_v] =
        pointer_step_backward_op(grad_log_prob, grad_entropy, keys, query, context, w_context, v,
                                 temperature, choice, log_prob, entropy, probs);
    return {grad_keys, grad_query, grad_w_context, grad_v};
  }

  static variable_list backward(AutogradContext*, const variable_list&) {
    TORCH_CHECK(false, "gerank::pointer_step: differentiable once, got a second derivative");
  }
};

StepTuple pointer_step_backward(const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy,
                                const at::Tensor& keys, const at::Tensor& query,
                                const at::Tensor& context, const at::Tensor& w_context,
                                const at::Tensor& v, const at::Tensor& temperature,
                                const at::Tensor& choice, const at::Tensor& log_prob,
                                const at::Tensor& entropy, const at::Tensor& probs) {
  no_tangents("gerank::pointer_step_backward",
              {{"grad_log_prob", grad_log_prob},
               {"grad_entropy", grad_entropy},
               {"keys", keys},
               {"query", query},
               {"context", context},
               {"w_context", w_context},
               {"v", v},
               {"temperature", temperature},
               {"log_prob", log_prob},
               {"entropy", entropy},
               {"probs", probs}},
              kOnce);
  const auto results =
      PointerStepBackward::apply(grad_log_prob, grad_entropy, keys, query, context, w_context, v,
                                 temperature, choice, log_prob, entropy, probs);
  return {results[0], results[1], results[2], results[3]};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Autograd, m) {
  m.impl("pointer_step", &pointer_step);
  m.impl("pointer_step_backward", &pointer_step_backward);
}

}  // namespace gerank::autograd
