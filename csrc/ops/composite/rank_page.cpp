// rank_page on devices that have no kernel of it.
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <tuple>

namespace gerank {
namespace {

std::tuple<at::Tensor, at::Tensor, at::Tensor> rank_page_elsewhere(
    const at::Tensor& page, const at::Tensor&, const at::Tensor&, const at::Tensor& candidates,
    const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
    const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
    const at::Tensor&) {
  TORCH_CHECK_NOT_IMPLEMENTED(
      false, "gerank::rank_page: runs on the CPU alone, got page on ", page.device(),
      " and candidate_dense on ", candidates.device(),
      "; elsewhere call set_features, encode_set and decode_slates, as a generator does");
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CompositeExplicitAutograd, m) {
  m.impl("rank_page", &rank_page_elsewhere);
}

}  // namespace gerank
