#include <ATen/Context.h>
#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <tuple>

#include "tensors.h"

namespace gerank::cuda {
namespace {

// What the kernel leaves behind, zero before: see SlateGradientParams.
struct Factors {
  at::Tensor keys, candidates, set_vector, start, attention, query, terms, state, input, inputs;
};

Factors zero_factors(const DecoderSizes& sizes, const at::TensorOptions& options) {
  const int64_t B = sizes.batch, G = sizes.num_slates, N = sizes.num_slots;
  const int64_t M = sizes.num_candidates, D = sizes.width, H = sizes.attention_width;
  const auto zeros = [&](at::IntArrayRef shape) { return at::zeros(shape, options); };
  return {zeros({B, M, H}),
          zeros({B, M, D}),
          zeros({B, D}),
          zeros({B, D}),
          zeros({B, sizes.num_features() + 3, H}),
          zeros({B, G, N, H}),
          zeros({B, G, N, sizes.num_flags + 1}),
          zeros({B, G, N + 1, sizes.state_columns()}),
          zeros({B, G, N, 3 * D}),
          zeros({B, G, N, D})};
}

// sum over all rows of a^T b, where the last axis of both is the columns'.
at::Tensor sum_of_products(const at::Tensor& a, const at::Tensor& b) {
  return at::matmul(a.flatten(0, -2).t(), b.flatten(0, -2));
}

at::Tensor sum_of_rows(const at::Tensor& a) { return a.flatten(0, -2).sum(0); }

// In the order of weights.h.
at::Tensor pack_gradient(const Factors& factors, const at::Tensor& candidates,
                         const at::Tensor& hidden, int64_t width) {
  const at::Tensor w_ih_t = sum_of_products(factors.inputs, factors.input);
  const at::Tensor w_hs_t = sum_of_products(hidden, factors.state);
  const at::Tensor b_ih = sum_of_rows(factors.input);
  const at::Tensor b_hh = sum_of_rows(factors.state.narrow(-1, 0, 3 * width));
  const at::Tensor w_e_t = sum_of_products(candidates, factors.keys);
  const at::Tensor w_g_t = sum_of_products(factors.terms, factors.query);
  return at::cat({factors.start.sum(0), w_ih_t.flatten(), w_hs_t.flatten(), b_ih, b_hh,
                  w_e_t.flatten(), w_g_t.flatten()});
}

template <typename scalar_t>
void fill_factors(const SlateGradientArguments& given, const DecoderSizes& sizes,
                  int64_t context_window, const Factors& factors) {
  const DeviceLimits limits = device_limits();
  const GradientPlan plan = plan_gradient(sizes, limits, sizeof(scalar_t));
  check_plan(plan.groups > 0, "slate_log_prob_backward", sizes, limits);
  const at::Tensor keys = at::empty({plan.key_numbers(sizes)}, given.candidates.options());
  const SharedRows<scalar_t> attention(given.attention);
  const Packed<scalar_t> grad_log_prob(given.grad_log_prob), grad_entropy(given.grad_entropy);
  const Packed<scalar_t> candidates(given.candidates), weights(given.weights);
  const Packed<bool> flags(given.flags);
  const Packed<int64_t> groups(given.groups), slots(given.slots), slates(given.slates);
  const Packed<scalar_t> temperature(given.temperature), log_prob(given.log_prob);
  const Packed<scalar_t> entropy(given.entropy), probs(given.probs), hidden(given.hidden);
  const Packed<scalar_t> gates(given.gates), projection(given.projection);
  const SlateGradientParams<scalar_t> params = {sizes,
                                                plan,
                                                context_window,
                                                attention.stride,
                                                grad_log_prob.data,
                                                grad_entropy.data,
                                                candidates.data,
                                                weights.data,
                                                attention.data,
                                                flags.data,
                                                groups.data,
                                                slots.data,
                                                temperature.data,
                                                slates.data,
                                                log_prob.data,
                                                entropy.data,
                                                probs.data,
                                                hidden.data,
                                                gates.data,
                                                projection.data,
                                                keys.mutable_data_ptr<scalar_t>(),
                                                factors.keys.mutable_data_ptr<scalar_t>(),
                                                factors.candidates.mutable_data_ptr<scalar_t>(),
                                                factors.set_vector.mutable_data_ptr<scalar_t>(),
                                                factors.start.mutable_data_ptr<scalar_t>(),
                                                factors.attention.mutable_data_ptr<scalar_t>(),
                                                factors.query.mutable_data_ptr<scalar_t>(),
                                                factors.terms.mutable_data_ptr<scalar_t>(),
                                                factors.state.mutable_data_ptr<scalar_t>(),
                                                factors.input.mutable_data_ptr<scalar_t>(),
                                                factors.inputs.mutable_data_ptr<scalar_t>()};
  C10_CUDA_CHECK(launch_slate_log_prob_backward(params, current_stream()));
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> slate_log_prob_backward_cuda(
    const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy, const at::Tensor& candidates,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& slots, const at::Tensor& temperature,
    const at::Tensor& slates, const at::Tensor& log_prob, const at::Tensor& entropy,
    const at::Tensor& probs, const at::Tensor& hidden, const at::Tensor& gates,
    const at::Tensor& projection, int64_t context_window) {
  const SlateGradientArguments given = {
      grad_log_prob, grad_entropy, candidates, weights, attention, flags,  groups, slots,
      temperature,   slates,       log_prob,   entropy, probs,     hidden, gates,  projection};
  check_slate_log_prob_backward(given);
  const c10::cuda::CUDAGuard guard(candidates.device());
  const DecoderSizes sizes =
      decoder_sizes(candidates, attention, flags, groups, slates.size(2), slates.size(1));
  const Factors factors = zero_factors(sizes, candidates.options());
  AT_DISPATCH_FLOATING_TYPES(candidates.scalar_type(), "slate_log_prob_backward", [&] {
    fill_factors<scalar_t>(given, sizes, context_window, factors);
  });
  const at::NoTF32Guard full_precision;  // whatever the caller allows its own products
  const int64_t D = sizes.width, H = sizes.attention_width;
  const WeightLayout layout = {D, H, sizes.num_flags};
  const at::Tensor w_e_t = weights.narrow(0, layout.w_e_t(), D * H).reshape({D, H});
  const bool is_shared = attention.size(0) != slates.size(0);
  return {factors.candidates.add(at::matmul(factors.keys, w_e_t.t())), factors.set_vector,
          pack_gradient(factors, candidates, hidden, D),
          is_shared ? factors.attention.sum(0, true) : factors.attention};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CUDA, m) {
  m.impl("slate_log_prob_backward", &slate_log_prob_backward_cuda);
}

}  // namespace gerank::cuda
