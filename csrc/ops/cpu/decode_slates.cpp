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

std::tuple<at::Tensor, at::Tensor, at::Tensor> decode_slates_cpu(
    const at::Tensor& candidates, const at::Tensor& set_vector, const at::Tensor& mask,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& pins, const at::Tensor& dedup_keys,
    const at::Tensor& spacing, const at::Tensor& quotas, const at::Tensor& slots,
    const at::Tensor& temperature, const at::Tensor& seeds, const at::Tensor& greedy,
    int64_t num_slates, int64_t context_window) {
  const DecoderArguments arguments = {candidates, set_vector, mask,       weights,    attention,
                                      flags,      groups,     pins,       dedup_keys, spacing,
                                      quotas,     slots,      temperature};
  check_decode_slates(arguments, seeds, greedy, num_slates, context_window);
  const int64_t B = pins.size(0), N = pins.size(1);
  at::Tensor slates = at::empty({B, num_slates, N}, pins.options());
  at::Tensor log_prob = at::empty({B, num_slates, N}, candidates.options());
  at::Tensor relaxed = at::empty({B, num_slates, N}, pins.options());
  AT_DISPATCH_FLOATING_TYPES(candidates.scalar_type(), "decode_slates", [&] {
    const DecoderInputs<scalar_t> inputs(arguments, context_window);
    check_values(inputs.view, "decode_slates");
    const Packed<int64_t> seed(seeds);
    const Packed<bool> is_greedy(greedy);
    const DecodeTask<scalar_t> task = {inputs.view,
                                       num_slates,
                                       seed.data,
                                       is_greedy.data,
                                       slates.mutable_data_ptr<int64_t>(),
                                       log_prob.mutable_data_ptr<scalar_t>(),
                                       relaxed.mutable_data_ptr<int64_t>()};
    run_in_blocks(task, kernels<scalar_t>().decode_memory, kernels<scalar_t>().decode);
  });
  return {slates, log_prob, relaxed};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) { m.impl("decode_slates", &decode_slates_cpu); }

}  // namespace gerank::cpu
