#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "../checks.h"

namespace gerank {
namespace {

at::Tensor set_ranks_meta(const at::Tensor& features, const at::Tensor& mask) {
  check_set_ranks(features, mask);
  return at::empty_symint(features.sym_sizes(), features.options());
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Meta, m) { m.impl("set_ranks", &set_ranks_meta); }

}  // namespace gerank
