#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <tuple>

#include "../checks.h"

namespace gerank {
namespace {

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> pointer_step_meta(
    const at::Tensor& keys, const at::Tensor& query, const at::Tensor& context,
    const at::Tensor& w_context, const at::Tensor& v, const at::Tensor& mask,
    const at::Tensor& temperature, const at::Tensor& seeds, const at::Tensor& greedy,
    const at::Tensor& forced, int64_t slot, int64_t slate) {
  const auto check =
      check_pointer_step({keys, query, context, w_context, v, temperature}, "pointer_step");
  check_pointer_step_choice(check, keys, mask, seeds, greedy, forced, slot, slate);
  const c10::SymInt B = keys.sym_size(0), M = keys.sym_size(1);
  return {at::empty_symint({B}, forced.options()), at::empty_symint({B}, keys.options()),
          at::empty_symint({B}, keys.options()), at::empty_symint({B, M}, keys.options())};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> pointer_step_backward_meta(
    const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy, const at::Tensor& keys,
    const at::Tensor& query, const at::Tensor& context, const at::Tensor& w_context,
    const at::Tensor& v, const at::Tensor& temperature, const at::Tensor& choice,
    const at::Tensor& log_prob, const at::Tensor& entropy, const at::Tensor& probs) {
  check_pointer_step_backward({keys, query, context, w_context, v, temperature}, grad_log_prob,
                              grad_entropy, choice, log_prob, entropy, probs);
  return {at::empty_symint(keys.sym_sizes(), keys.options()),
          at::empty_symint(query.sym_sizes(), keys.options()),
          at::empty_symint(w_context.sym_sizes(), keys.options()),
          at::empty_symint(v.sym_sizes(), keys.options())};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Meta, m) {
  m.impl("pointer_step", &pointer_step_meta);
  m.impl("pointer_step_backward", &pointer_step_backward_meta);
}

}  // namespace gerank
