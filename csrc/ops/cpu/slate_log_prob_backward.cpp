#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <tuple>

#include "../checks.h"
#include "maths.h"
#include "slate_gradient.h"

namespace gerank::cpu {
namespace {

// The factors of GradientOutputs, as tensors.
struct Factors {
  at::Tensor keys, candidates, set_vector, start, attention, query, terms, state, input, inputs;
};

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

Factors zero_factors(const at::Tensor& candidates, const at::Tensor& attention,
                     const at::Tensor& slates, int64_t num_flags) {
  const int64_t B = slates.size(0), G = slates.size(1), N = slates.size(2);
  const int64_t M = candidates.size(1), D = candidates.size(2), H = attention.size(2);
  const auto zeros = [&](at::IntArrayRef sizes) { return at::zeros(sizes, candidates.options()); };
  return {zeros({B, M, H}),
          zeros({B, M, D}),
          zeros({B, D}),
          zeros({B, D}),
          zeros({B, attention.size(1), H}),
          zeros({B, G, N, H}),
          zeros({B, G, N, num_flags + 1}),
          zeros({B, G, N + 1, 3 * D + H}),
          zeros({B, G, N, 3 * D}),
          zeros({B, G, N, D})};
}

// What the forward has checked; only a caller who bypasses it can get here with other values.
template <typename scalar_t>
void check_saved_values(const GradientInputs<scalar_t>& saved, int64_t batch) {
  for (int64_t b = 0; b < batch; ++b) {
    TORCH_CHECK(saved.slots.data[b] >= 0 && saved.slots.data[b] <= saved.num_slots,
                "gerank::slate_log_prob_backward: slots must be between 0 and ", saved.num_slots,
                ", got ", saved.slots.data[b], " for request ", b);
  }
  for (int64_t i = 0; i < batch * saved.num_slates * saved.num_slots; ++i) {
    TORCH_CHECK(saved.slates.data[i] >= -1 && saved.slates.data[i] < saved.num_candidates,
                "gerank::slate_log_prob_backward: slates must hold -1 or a candidate below ",
                saved.num_candidates, ", got ", saved.slates.data[i]);
  }
}

template <typename scalar_t>
void fill_factors(const GradientInputs<scalar_t>& saved, int64_t batch, int64_t context_window,
                  const Factors& factors) {
  const GradientOutputs<scalar_t> gradients = {factors.keys.mutable_data_ptr<scalar_t>(),
                                               factors.candidates.mutable_data_ptr<scalar_t>(),
                                               factors.set_vector.mutable_data_ptr<scalar_t>(),
                                               factors.start.mutable_data_ptr<scalar_t>(),
                                               factors.attention.mutable_data_ptr<scalar_t>(),
                                               factors.query.mutable_data_ptr<scalar_t>(),
                                               factors.terms.mutable_data_ptr<scalar_t>(),
                                               factors.state.mutable_data_ptr<scalar_t>(),
                                               factors.input.mutable_data_ptr<scalar_t>(),
                                               factors.inputs.mutable_data_ptr<scalar_t>()};
  at::parallel_for(0, batch, 1, [&](int64_t begin, int64_t end) {
    SlateGradient<PlainMaths<scalar_t>> gradient(saved, context_window, gradients);
    for (int64_t b = begin; b < end; ++b) gradient.add(b);
  });
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> slate_log_prob_backward_cpu(
    const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy, const at::Tensor& candidates,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& slots, const at::Tensor& temperature,
    const at::Tensor& slates, const at::Tensor& log_prob, const at::Tensor& entropy,
    const at::Tensor& probs, const at::Tensor& hidden, const at::Tensor& gates,
    const at::Tensor& projection, int64_t context_window) {
  const SlateGradientArguments arguments = {
      grad_log_prob, grad_entropy, candidates, weights, attention, flags,  groups, slots,
      temperature,   slates,       log_prob,   entropy, probs,     hidden, gates,  projection};
  check_slate_log_prob_backward(arguments);
  const int64_t B = slates.size(0), G = slates.size(1), N = slates.size(2);
  const int64_t M = candidates.size(1), D = candidates.size(2), H = attention.size(2);
  const int64_t Q = flags.size(2), K = groups.size(2);
  const WeightLayout layout = {D, H, Q};
  const at::Tensor w_e_t = weights.narrow(0, layout.w_e_t(), D * H).reshape({D, H});
  const Factors factors = zero_factors(candidates, attention, slates, Q);
  AT_DISPATCH_FLOATING_TYPES(candidates.scalar_type(), "slate_log_prob_backward", [&] {
    const GradientInputs<scalar_t> saved = {M,
                                            N,
                                            G,
                                            D,
                                            H,
                                            Q,
                                            K,
                                            Packed<scalar_t>(grad_log_prob),
                                            Packed<scalar_t>(grad_entropy),
                                            Packed<scalar_t>(at::matmul(candidates, w_e_t)),
                                            Packed<scalar_t>(candidates),
                                            Packed<scalar_t>(weights),
                                            SharedRows<scalar_t>(attention),
                                            Packed<bool>(flags),
                                            Packed<int64_t>(groups),
                                            Packed<int64_t>(slots),
                                            Packed<scalar_t>(temperature),
                                            Packed<int64_t>(slates),
                                            Packed<scalar_t>(log_prob),
                                            Packed<scalar_t>(entropy),
                                            Packed<scalar_t>(probs),
                                            Packed<scalar_t>(hidden),
                                            Packed<scalar_t>(gates),
                                            Packed<scalar_t>(projection)};
    check_saved_values(saved, B);
    fill_factors(saved, B, context_window, factors);
  });
  const bool is_shared = attention.size(0) != B;
  return {factors.candidates.add(at::matmul(factors.keys, w_e_t.t())), factors.set_vector,
          pack_gradient(factors, candidates, hidden, D),
          is_shared ? factors.attention.sum(0, true) : factors.attention};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) {
  m.impl("slate_log_prob_backward", &slate_log_prob_backward_cpu);
}

}  // namespace gerank::cpu
