#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <torch/library.h>

#include <tuple>

#include "dispatch.h"
#include "forward_mode.h"

namespace gerank::autograd {
namespace {

// For serving: who trains has plain layers, and must not lose their gradients without a word.
std::tuple<at::Tensor, at::Tensor> encode_set(const at::Tensor& candidates, const at::Tensor& users,
                                              const at::Tensor& mask, const at::Tensor& weights,
                                              c10::SymInt width) {
  TORCH_CHECK(!at::GradMode::is_enabled() ||
                  !(candidates.requires_grad() || users.requires_grad() || weights.requires_grad()),
              "gerank::encode_set: has no gradient, but an argument requires one; train with "
              "gerank.nn.encoder.DeepSetEncoder as it is before freeze()");
  no_tangents("gerank::encode_set",
              {{"candidates", candidates}, {"users", users}, {"weights", weights}},
              "use gerank.nn.encoder.DeepSetEncoder as it is before freeze()");
  static const auto op = find_op<decltype(encode_set)>("gerank::encode_set");
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  return op.call(candidates, users, mask, weights, std::move(width));
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Autograd, m) { m.impl("encode_set", &encode_set); }

}  // namespace gerank::autograd
