#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <tuple>

#include "../checks.h"

namespace gerank {
namespace {

std::tuple<at::Tensor, at::Tensor> slate_log_prob_meta(
    const at::Tensor& candidates, const at::Tensor& set_vector, const at::Tensor& mask,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& pins, const at::Tensor& dedup_keys,
    const at::Tensor& spacing, const at::Tensor& quotas, const at::Tensor& slots,
    const at::Tensor& temperature, const at::Tensor& slates, int64_t context_window) {
  check_slate_log_prob({candidates, set_vector, mask, weights, attention, flags, groups, pins,
                        dedup_keys, spacing, quotas, slots, temperature},
                       slates, context_window);
  return {at::empty_symint(slates.sym_sizes(), candidates.options()),
          at::empty_symint(slates.sym_sizes(), candidates.options())};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>
slate_log_prob_forward_meta(const at::Tensor& candidates, const at::Tensor& set_vector,
                            const at::Tensor& mask, const at::Tensor& weights,
                            const at::Tensor& attention, const at::Tensor& flags,
                            const at::Tensor& groups, const at::Tensor& pins,
                            const at::Tensor& dedup_keys, const at::Tensor& spacing,
                            const at::Tensor& quotas, const at::Tensor& slots,
                            const at::Tensor& temperature, const at::Tensor& slates,
                            int64_t context_window) {
  const auto [log_prob, entropy] =
      slate_log_prob_meta(candidates, set_vector, mask, weights, attention, flags, groups, pins,
                          dedup_keys, spacing, quotas, slots, temperature, slates, context_window);
  const c10::SymInt B = slates.sym_size(0), G = slates.sym_size(1), N = slates.sym_size(2);
  const c10::SymInt M = candidates.sym_size(1), D = candidates.sym_size(2);
  const c10::SymInt H = attention.sym_size(2);
  const auto empty = [&](const c10::SymInt& rows, const c10::SymInt& columns) {
    return at::empty_symint({B, G, rows, columns}, candidates.options());
  };
  return {log_prob, entropy, empty(N, M), empty(N + 1, D), empty(N, D * 4), empty(N, H)};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> slate_log_prob_backward_meta(
    const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy, const at::Tensor& candidates,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& slots, const at::Tensor& temperature,
    const at::Tensor& slates, const at::Tensor& log_prob, const at::Tensor& entropy,
    const at::Tensor& probs, const at::Tensor& hidden, const at::Tensor& gates,
    const at::Tensor& projection, int64_t) {
  check_slate_log_prob_backward({grad_log_prob, grad_entropy, candidates, weights, attention, flags,
                                 groups, slots, temperature, slates, log_prob, entropy, probs,
                                 hidden, gates, projection});
  const auto options = candidates.options();
  return {at::empty_symint(candidates.sym_sizes(), options),
          at::empty_symint({candidates.sym_size(0), candidates.sym_size(2)}, options),
          at::empty_symint(weights.sym_sizes(), options),
          at::empty_symint(attention.sym_sizes(), options)};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Meta, m) {
  m.impl("slate_log_prob", &slate_log_prob_meta);
  m.impl("slate_log_prob_forward", &slate_log_prob_forward_meta);
  m.impl("slate_log_prob_backward", &slate_log_prob_backward_meta);
}

}  // namespace gerank
