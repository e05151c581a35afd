#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <tuple>

#include "dispatch.h"
#include "forward_mode.h"

namespace gerank::autograd {
namespace {

// Choices have no gradient, and a packed page is no parameter: what trains is the generator.
std::tuple<at::Tensor, at::Tensor, at::Tensor> rank_page(
    const at::Tensor& page, const at::Tensor& user_dense, const at::Tensor& user_ids,
    const at::Tensor& candidate_dense, const at::Tensor& candidate_ids,
    const at::Tensor& candidate_mask, const at::Tensor& weights, const at::Tensor& pins,
    const at::Tensor& dedup_keys, const at::Tensor& spacing, const at::Tensor& quotas,
    const at::Tensor& slots, const at::Tensor& temperature, const at::Tensor& seeds,
    const at::Tensor& greedy) {
  no_tangents("gerank::rank_page",
              {{"page", page},
               {"user_dense", user_dense},
               {"candidate_dense", candidate_dense},
               {"weights", weights},
               {"temperature", temperature}},
              "choose from tensors without one, and differentiate gerank::slate_log_prob of a "
              "generator that is not frozen");
  static const auto op = find_op<decltype(rank_page)>("gerank::rank_page");
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  return op.call(page, user_dense, user_ids, candidate_dense, candidate_ids, candidate_mask,
                 weights, pins, dedup_keys, spacing, quotas, slots, temperature, seeds, greedy);
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Autograd, m) { m.impl("rank_page", &rank_page); }

}  // namespace gerank::autograd
