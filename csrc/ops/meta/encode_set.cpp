#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <tuple>

#include "../checks.h"

namespace gerank {
namespace {

std::tuple<at::Tensor, at::Tensor> encode_set_meta(const at::Tensor& candidates,
                                                   const at::Tensor& users, const at::Tensor& mask,
                                                   const at::Tensor& weights, c10::SymInt width) {
  check_encode_set(candidates, users, mask, weights, width);
  const c10::SymInt B = candidates.sym_size(0);
  return {at::empty_symint({B, candidates.sym_size(1), width}, candidates.options()),
          at::empty_symint({B, width}, candidates.options())};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Meta, m) { m.impl("encode_set", &encode_set_meta); }

}  // namespace gerank
