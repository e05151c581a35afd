#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include "dispatch.h"

namespace gerank::autograd {
namespace {

// A rank is constant almost everywhere: the result requires no gradient.
at::Tensor set_ranks(const at::Tensor& features, const at::Tensor& mask) {
  static const auto op = find_op<decltype(set_ranks)>("gerank::set_ranks");
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  return op.call(features, mask);
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Autograd, m) { m.impl("set_ranks", &set_ranks); }

}  // namespace gerank::autograd
