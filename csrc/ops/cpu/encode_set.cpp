#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <tuple>

#include "../../kernels/instruction_set.h"
#include "../checks.h"
#include "blocks.h"
#include "decoder_arguments.h"

namespace gerank::cpu {
namespace {

std::tuple<at::Tensor, at::Tensor> encode_set_cpu(const at::Tensor& candidates,
                                                  const at::Tensor& users, const at::Tensor& mask,
                                                  const at::Tensor& weights, int64_t width) {
  check_encode_set(candidates, users, mask, weights, width);
  const int64_t B = candidates.size(0), M = candidates.size(1);
  at::Tensor encoded = at::empty({B, M, width}, candidates.options());
  at::Tensor set_vector = at::empty({B, width}, candidates.options());
  if (B == 0) return {encoded, set_vector};
  AT_DISPATCH_FLOATING_TYPES(candidates.scalar_type(), "encode_set", [&] {
    const Packed<scalar_t> x(candidates), u(users), packed(weights);
    const Packed<bool> real(mask);
    const EncodeTask<scalar_t> task = {M,
                                       {candidates.size(2), users.size(1), width},
                                       x.data,
                                       u.data,
                                       real.data,
                                       packed.data,
                                       encoded.mutable_data_ptr<scalar_t>(),
                                       set_vector.mutable_data_ptr<scalar_t>()};
    run_one_by_one(task, B, kernels<scalar_t>().encode_memory, kernels<scalar_t>().encode_set);
  });
  return {encoded, set_vector};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) { m.impl("encode_set", &encode_set_cpu); }

}  // namespace gerank::cpu
