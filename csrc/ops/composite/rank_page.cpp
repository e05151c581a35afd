// rank_page on devices that have no kernel of it.
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <tuple>

#include "layered_page.h"

namespace gerank {
namespace {

std::tuple<at::Tensor, at::Tensor, at::Tensor> rank_page_in_layers(
    const at::Tensor& page, const at::Tensor& user_dense, const at::Tensor& user_ids,
    const at::Tensor& candidate_dense, const at::Tensor& candidate_ids,
    const at::Tensor& candidate_mask, const at::Tensor& weights, const at::Tensor& pins,
    const at::Tensor& dedup_keys, const at::Tensor& spacing, const at::Tensor& quotas,
    const at::Tensor& slots, const at::Tensor& temperature, const at::Tensor& seeds,
    const at::Tensor& greedy) {
  const PageArguments arguments = {page,          user_dense,     user_ids, candidate_dense,
                                   candidate_ids, candidate_mask, weights,  pins,
                                   dedup_keys,    spacing,        quotas,   slots,
                                   temperature,   seeds,          greedy};
  check_rank_page(arguments);
  return LayeredPage(page).rank(arguments);
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CompositeExplicitAutograd, m) {
  m.impl("rank_page", &rank_page_in_layers);
}

}  // namespace gerank
