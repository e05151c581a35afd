#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <tuple>

#include "dispatch.h"
#include "forward_mode.h"

namespace gerank::autograd {
namespace {

// Choices have no gradient, and slate_log_prob gives that of their log_prob.
std::tuple<at::Tensor, at::Tensor, at::Tensor> decode_slates(
    const at::Tensor& candidates, const at::Tensor& set_vector, const at::Tensor& mask,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& pins, const at::Tensor& dedup_keys,
    const at::Tensor& spacing, const at::Tensor& quotas, const at::Tensor& slots,
    const at::Tensor& temperature, const at::Tensor& seeds, const at::Tensor& greedy,
    int64_t num_slates, int64_t context_window) {
  no_tangents(
      "gerank::decode_slates",
      {{"candidates", candidates},
       {"set_vector", set_vector},
       {"weights", weights},
       {"attention", attention},
       {"temperature", temperature}},
      "choose from tensors without one, and differentiate gerank::slate_log_prob in reverse mode");
  static const auto op = find_op<decltype(decode_slates)>("gerank::decode_slates");
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  return op.call(candidates, set_vector, mask, weights, attention, flags, groups, pins, dedup_keys,
                 spacing, quotas, slots, temperature, seeds, greedy, num_slates, context_window);
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Autograd, m) { m.impl("decode_slates", &decode_slates); }

}  // namespace gerank::autograd
