#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <tuple>

#include "tensors.h"

namespace gerank::cuda {
namespace {

StepSizes step_sizes(const PointerStepArguments& arguments) {
  return {static_cast<int>(arguments.keys.size(0)), static_cast<int>(arguments.keys.size(1)),
          static_cast<int>(arguments.keys.size(2)), static_cast<int>(arguments.context.size(2))};
}

// The arguments that the step and its backward have in common, alive while they are used.
template <typename scalar_t>
struct StepTensors {
  explicit StepTensors(const PointerStepArguments& arguments)
      : keys(arguments.keys),
        query(arguments.query),
        context(arguments.context),
        temperature(arguments.temperature),
        w_context(arguments.w_context),
        v(arguments.v) {}

  const Packed<scalar_t> keys, query, context, temperature;
  const SharedRows<scalar_t> w_context, v;
};

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> pointer_step_cuda(
    const at::Tensor& keys, const at::Tensor& query, const at::Tensor& context,
    const at::Tensor& w_context, const at::Tensor& v, const at::Tensor& mask,
    const at::Tensor& temperature, const at::Tensor& seeds, const at::Tensor& greedy,
    const at::Tensor& forced, int64_t slot, int64_t slate) {
  const PointerStepArguments arguments = {keys, query, context, w_context, v, temperature};
  const auto check = check_pointer_step(arguments, "pointer_step");
  check_pointer_step_choice(check, keys, mask, seeds, greedy, forced, slot, slate);
  const c10::cuda::CUDAGuard guard(keys.device());
  const int64_t B = keys.size(0), M = keys.size(1);
  at::Tensor choice = at::empty({B}, forced.options());
  at::Tensor log_prob = at::empty({B}, keys.options());
  at::Tensor entropy = at::empty({B}, keys.options());
  at::Tensor probs = at::empty({B, M}, keys.options());
  AT_DISPATCH_FLOATING_TYPES(keys.scalar_type(), "pointer_step", [&] {
    const StepTensors<scalar_t> tensors(arguments);
    const Packed<bool> allowed(mask), is_greedy(greedy);
    const Packed<int64_t> seed(seeds), forced_choice(forced);
    const StepParams<scalar_t> params = {step_sizes(arguments),
                                         tensors.w_context.stride,
                                         tensors.v.stride,
                                         tensors.keys.data,
                                         tensors.query.data,
                                         tensors.context.data,
                                         tensors.w_context.data,
                                         tensors.v.data,
                                         allowed.data,
                                         tensors.temperature.data,
                                         seed.data,
                                         is_greedy.data,
                                         forced_choice.data,
                                         static_cast<int>(slot),
                                         static_cast<int>(slate),
                                         choice.mutable_data_ptr<int64_t>(),
                                         log_prob.mutable_data_ptr<scalar_t>(),
                                         entropy.mutable_data_ptr<scalar_t>(),
                                         probs.mutable_data_ptr<scalar_t>()};
    C10_CUDA_CHECK(launch_pointer_step(params, current_stream()));
  });
  return {choice, log_prob, entropy, probs};
}

// The gradient of a parameter that all requests share is the sum of theirs.
at::Tensor as_given(const at::Tensor& per_request, const at::Tensor& parameter) {
  return parameter.size(0) == per_request.size(0) ? per_request : per_request.sum(0, true);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> pointer_step_backward_cuda(
    const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy, const at::Tensor& keys,
    const at::Tensor& query, const at::Tensor& context, const at::Tensor& w_context,
    const at::Tensor& v, const at::Tensor& temperature, const at::Tensor& choice,
    const at::Tensor& log_prob, const at::Tensor& entropy, const at::Tensor& probs) {
  const PointerStepArguments arguments = {keys, query, context, w_context, v, temperature};
  check_pointer_step_backward(arguments, grad_log_prob, grad_entropy, choice, log_prob, entropy,
                              probs);
  const c10::cuda::CUDAGuard guard(keys.device());
  const int64_t B = keys.size(0), H = keys.size(2), C = context.size(2);
  at::Tensor grad_keys = at::empty(keys.sizes(), keys.options());
  at::Tensor grad_query = at::empty(query.sizes(), keys.options());
  at::Tensor grad_w_context = at::empty({B, C, H}, keys.options());
  at::Tensor grad_v = at::empty({B, H}, keys.options());
  AT_DISPATCH_FLOATING_TYPES(keys.scalar_type(), "pointer_step_backward", [&] {
    const StepTensors<scalar_t> tensors(arguments);
    const Packed<scalar_t> by_log_prob(grad_log_prob), by_entropy(grad_entropy);
    const Packed<int64_t> chosen(choice);
    const Packed<scalar_t> log_probs(log_prob), entropies(entropy), all_probs(probs);
    const StepGradientParams<scalar_t> params = {step_sizes(arguments),
                                                 tensors.w_context.stride,
                                                 tensors.v.stride,
                                                 by_log_prob.data,
                                                 by_entropy.data,
                                                 tensors.keys.data,
                                                 tensors.query.data,
                                                 tensors.context.data,
                                                 tensors.w_context.data,
                                                 tensors.v.data,
                                                 tensors.temperature.data,
                                                 chosen.data,
                                                 log_probs.data,
                                                 entropies.data,
                                                 all_probs.data,
                                                 grad_keys.mutable_data_ptr<scalar_t>(),
                                                 grad_query.mutable_data_ptr<scalar_t>(),
                                                 grad_w_context.mutable_data_ptr<scalar_t>(),
                                                 grad_v.mutable_data_ptr<scalar_t>()};
    C10_CUDA_CHECK(launch_pointer_step_backward(params, current_stream()));
  });
  return {grad_keys, grad_query, as_given(grad_w_context, w_context), as_given(grad_v, v)};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CUDA, m) {
  m.impl("pointer_step", &pointer_step_cuda);
  m.impl("pointer_step_backward", &pointer_step_backward_cuda);
}

}  // namespace gerank::cuda
