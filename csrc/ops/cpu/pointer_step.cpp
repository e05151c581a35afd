#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cmath>
#include <cstdint>
#include <tuple>

#include "../../kernels/instruction_set.h"
#include "../checks.h"
#include "blocks.h"
#include "decoder_arguments.h"

namespace gerank::cpu {
namespace {

template <typename scalar_t>
struct StepInputs {
  explicit StepInputs(const PointerStepArguments& arguments)
      : keys(arguments.keys),
        query(arguments.query),
        context(arguments.context),
        w_context(arguments.w_context),
        v(arguments.v),
        temperature(arguments.temperature),
        view{arguments.keys.size(1),
             arguments.keys.size(2),
             arguments.context.size(2),
             w_context.stride(),
             v.stride(),
             keys.data,
             query.data,
             context.data,
             w_context.of(0),
             v.of(0),
             temperature.data} {}

  const Packed<scalar_t> keys, query, context;
  const SharedRows<scalar_t> w_context, v;
  const Packed<scalar_t> temperature;
  const StepView<scalar_t> view;
};

template <typename scalar_t>
void check_step_values(const StepTask<scalar_t>& task, int64_t batch) {
  for (int64_t b = 0; b < batch; ++b) {
    TORCH_CHECK(task.forced[b] >= -1 && task.forced[b] < task.inputs.num_candidates,
                "gerank::pointer_step: forced must be -1 or a candidate below ",
                task.inputs.num_candidates, ", got ", task.forced[b], " for request ", b);
    const scalar_t temperature = task.inputs.temperature[b];
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
  at::Tensor log_prob = at::empty({B}, keys.options());
  at::Tensor entropy = at::empty({B}, keys.options());
  at::Tensor probs = at::empty({B, M}, keys.options());
  AT_DISPATCH_FLOATING_TYPES(keys.scalar_type(), "pointer_step", [&] {
    const StepInputs<scalar_t> inputs(arguments);
    const Packed<bool> allowed(mask), is_greedy(greedy);
    const Packed<int64_t> seed(seeds), forced_choice(forced);
    const StepTask<scalar_t> task = {inputs.view,
                                     static_cast<int>(slot),
                                     static_cast<int>(slate),
                                     allowed.data,
                                     seed.data,
                                     is_greedy.data,
                                     forced_choice.data,
                                     choice.mutable_data_ptr<int64_t>(),
                                     log_prob.mutable_data_ptr<scalar_t>(),
                                     entropy.mutable_data_ptr<scalar_t>(),
                                     probs.mutable_data_ptr<scalar_t>()};
    check_step_values(task, B);
    run_one_by_one(task, B, kernels<scalar_t>().step_memory, kernels<scalar_t>().step);
  });
  return {choice, log_prob, entropy, probs};
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
    const Packed<scalar_t> by_log_prob(grad_log_prob), by_entropy(grad_entropy);
    const Packed<int64_t> chosen(choice);
    const Packed<scalar_t> own_log_prob(log_prob), own_entropy(entropy), own_probs(probs);
    const StepGradientTask<scalar_t> task = {inputs.view,
                                             by_log_prob.data,
                                             by_entropy.data,
                                             chosen.data,
                                             own_log_prob.data,
                                             own_entropy.data,
                                             own_probs.data,
                                             grad_keys.mutable_data_ptr<scalar_t>(),
                                             grad_query.mutable_data_ptr<scalar_t>(),
                                             grad_w_context.mutable_data_ptr<scalar_t>(),
                                             grad_v.mutable_data_ptr<scalar_t>()};
    run_one_by_one(task, B, kernels<scalar_t>().step_gradient_memory,
                   kernels<scalar_t>().step_gradient);
  });
  return {grad_keys, grad_query, as_given(grad_w_context, w_context), as_given(grad_v, v)};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) {
  m.impl("pointer_step", &pointer_step_cpu);
  m.impl("pointer_step_backward", &pointer_step_backward_cpu);
}

}  // namespace gerank::cpu
