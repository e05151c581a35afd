#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "../../kernels/instruction_set.h"
#include "../checks.h"
#include "blocks.h"
#include "decoder_arguments.h"

namespace gerank::cpu {
namespace {

at::Tensor set_features_cpu(const at::Tensor& values, const at::Tensor& mask,
                            const at::Tensor& mean, const at::Tensor& deviation) {
  check_set_features(values, mask, mean, deviation);
  const int64_t B = values.size(0), M = values.size(1), F = values.size(2);
  at::Tensor out = at::empty({B, M, 3 * F}, values.options());
  if (out.numel() == 0) return out;
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "set_features", [&] {
    const Packed<scalar_t> numbers(values), middle(mean), unit(deviation);
    const Packed<bool> real(mask);
    const SetTask<scalar_t> task = {
        M, F, numbers.data, real.data, middle.data, unit.data, out.mutable_data_ptr<scalar_t>()};
    run_one_by_one(task, B, kernels<scalar_t>().set_memory, kernels<scalar_t>().set_features);
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) { m.impl("set_features", &set_features_cpu); }

}  // namespace gerank::cpu
