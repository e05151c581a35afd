#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "../checks.h"
#include "blocks.h"
#include "decoder_arguments.h"
#include "instruction_set.h"

namespace gerank::cpu {
namespace {

at::Tensor set_ranks_cpu(const at::Tensor& features, const at::Tensor& mask) {
  check_set_ranks(features, mask);
  at::Tensor ranks = at::empty(features.sizes(), features.options());
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "set_ranks", [&] {
    const Packed<scalar_t> values(features);
    const Packed<bool> real(mask);
    const RanksTask<scalar_t> task = {features.size(1), features.size(2), values.data, real.data,
                                      ranks.mutable_data_ptr<scalar_t>()};
    run_one_by_one(task, features.size(0), kernels<scalar_t>().ranks_memory,
                   kernels<scalar_t>().ranks);
  });
  return ranks;
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) { m.impl("set_ranks", &set_ranks_cpu); }

}  // namespace gerank::cpu
