#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include "dispatch.h"
#include "forward_mode.h"

namespace gerank::autograd {
namespace {

// What a request holds is data: the result requires no gradient.
at::Tensor set_features(const at::Tensor& values, const at::Tensor& mask, const at::Tensor& mean,
                        const at::Tensor& deviation) {
  no_tangents("gerank::set_features",
              {{"values", values}, {"mean", mean}, {"deviation", deviation}},
              "what a request holds is data, and its features have no derivative");
  static const auto op = find_op<decltype(set_features)>("gerank::set_features");
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  return op.call(values, mask, mean, deviation);
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Autograd, m) { m.impl("set_features", &set_features); }

}  // namespace gerank::autograd
