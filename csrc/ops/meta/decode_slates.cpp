#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <tuple>

#include "../checks.h"

namespace gerank {
namespace {

std::tuple<at::Tensor, at::Tensor, at::Tensor> decode_slates_meta(
    const at::Tensor& candidates, const at::Tensor& set_vector, const at::Tensor& mask,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& pins, const at::Tensor& dedup_keys,
    const at::Tensor& spacing, const at::Tensor& quotas, const at::Tensor& slots,
    const at::Tensor& temperature, const at::Tensor& seeds, const at::Tensor& greedy,
    int64_t num_slates, int64_t context_window) {
  check_decode_slates({candidates, set_vector, mask, weights, attention, flags, groups, pins,
                       dedup_keys, spacing, quotas, slots, temperature},
                      seeds, greedy, num_slates, context_window);
  const c10::SymInt B = pins.sym_size(0), N = pins.sym_size(1);
  return {at::empty_symint({B, num_slates, N}, pins.options()),
          at::empty_symint({B, num_slates, N}, candidates.options()),
          at::empty_symint({B, num_slates, N}, pins.options())};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Meta, m) { m.impl("decode_slates", &decode_slates_meta); }

}  // namespace gerank
