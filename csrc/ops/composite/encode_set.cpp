// encode_set for devices without a kernel of its own: there a matrix product is one launch, and a
// CUDA graph takes the others' cost.
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include <tuple>

#include "../checks.h"

namespace gerank {
namespace {

using Linear = LinearLayout<int64_t>;

at::Tensor through(const Linear& layer, const at::Tensor& x, const at::Tensor& weights) {
  const at::Tensor matrix = weights.narrow(0, layer.offset, layer.inputs * layer.outputs)
                                .view({layer.inputs, layer.outputs});
  return at::matmul(x, matrix) + weights.narrow(0, layer.bias(), layer.outputs);
}

std::tuple<at::Tensor, at::Tensor> encode_set_of_parts(const at::Tensor& candidates,
                                                       const at::Tensor& users,
                                                       const at::Tensor& mask,
                                                       const at::Tensor& weights, int64_t width) {
  check_encode_set(candidates, users, mask, weights, width);
  const EncoderLayout layout{candidates.size(2), users.size(1), width};
  const at::Tensor packed = weights.contiguous();
  const at::Tensor tiled = users.unsqueeze(1).expand({-1, candidates.size(1), -1});
  const at::Tensor product = through(layout.candidate_side(), candidates, packed) *
                             through(layout.user_side(), users, packed).unsqueeze(1);
  const at::Tensor joined = at::cat({candidates, tiled, product}, -1);
  const at::Tensor hidden = through(layout.item_hidden(), joined, packed).relu_();
  const at::Tensor items =
      through(layout.item_out(), hidden, packed).masked_fill(~mask.unsqueeze(-1), 0);
  const at::Tensor count = mask.sum(1, true).clamp_min(1).to(items.scalar_type());
  const at::Tensor whole = items.sum(1) / count.sqrt();
  const at::Tensor set_hidden = through(layout.set_hidden(), whole, packed).relu_();
  return {items, through(layout.set_out(), set_hidden, packed).tanh_()};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CompositeExplicitAutograd, m) {
  m.impl("encode_set", &encode_set_of_parts);
}

}  // namespace gerank
