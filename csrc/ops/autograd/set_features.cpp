#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include "dispatch.h"

namespace gerank::autograd {
namespace {

// What a request holds is data: the result requires no gradient.
at::Tensor set_features(const at::Tensor& values, const at::Tensor& mask, const at::Tensor& mean,
                        const at::Tensor& deviation) {
  static const auto op = find_op<decltype(set_features)>("gerank::set_features");
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  return op.call(values, mask, mean, deviation);
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Autograd, m) { m.impl("set_features", &set_features); }

}  // namespace gerank::autograd
