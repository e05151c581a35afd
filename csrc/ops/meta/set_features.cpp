#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "../checks.h"

namespace gerank {
namespace {

at::Tensor set_features_meta(const at::Tensor& values, const at::Tensor& mask,
                             const at::Tensor& mean, const at::Tensor& deviation) {
  check_set_features(values, mask, mean, deviation);
  return at::empty_symint({values.sym_size(0), values.sym_size(1), 3 * values.sym_size(2)},
                          values.options());
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, Meta, m) { m.impl("set_features", &set_features_meta); }

}  // namespace gerank
