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

template <typename scalar_t>
void check_slates(const DecoderView<scalar_t>& inputs, const int64_t* slates, int64_t num_slates) {
  const int64_t count = inputs.batch * num_slates * inputs.num_slots;
  for (int64_t i = 0; i < count; ++i) {
    TORCH_CHECK(slates[i] >= -1 && slates[i] < inputs.num_candidates,
                "gerank::slate_log_prob: slates must hold -1 or a candidate below ",
                inputs.num_candidates, ", got ", slates[i], " at slot ", i % inputs.num_slots,
                " of slate ", i / inputs.num_slots % num_slates, " of request ",
                i / inputs.num_slots / num_slates);
  }
}

// Everything that a walk leaves behind; undefined where it is not kept.
struct Trail {
  at::Tensor log_prob, entropy, probs, hidden, gates, projection;
};

template <typename scalar_t>
scalar_t* data_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<scalar_t>() : nullptr;
}

void walk_slates(const DecoderArguments& arguments, const at::Tensor& slates,
                 int64_t context_window, const Trail& trail) {
  AT_DISPATCH_FLOATING_TYPES(arguments.candidates.scalar_type(), "slate_log_prob", [&] {
    const DecoderInputs<scalar_t> inputs(arguments, context_window);
    const Packed<int64_t> given(slates);
    check_values(inputs.view, "slate_log_prob");
    check_slates(inputs.view, given.data, slates.size(1));
    const TeacherTask<scalar_t> task = {inputs.view,
                                        slates.size(1),
                                        given.data,
                                        data_of<scalar_t>(trail.log_prob),
                                        data_of<scalar_t>(trail.entropy),
                                        data_of<scalar_t>(trail.probs),
                                        data_of<scalar_t>(trail.hidden),
                                        data_of<scalar_t>(trail.gates),
                                        data_of<scalar_t>(trail.projection)};
    run_in_blocks(task, kernels<scalar_t>().walk_memory, kernels<scalar_t>().walk);
  });
}

std::tuple<at::Tensor, at::Tensor> slate_log_prob_cpu(
    const at::Tensor& candidates, const at::Tensor& set_vector, const at::Tensor& mask,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& pins, const at::Tensor& dedup_keys,
    const at::Tensor& spacing, const at::Tensor& quotas, const at::Tensor& slots,
    const at::Tensor& temperature, const at::Tensor& slates, int64_t context_window) {
  const DecoderArguments arguments = {candidates, set_vector, mask,       weights,    attention,
                                      flags,      groups,     pins,       dedup_keys, spacing,
                                      quotas,     slots,      temperature};
  check_slate_log_prob(arguments, slates, context_window);
  const at::Tensor log_prob = at::empty(slates.sizes(), candidates.options());
  const at::Tensor entropy = at::empty(slates.sizes(), candidates.options());
  walk_slates(arguments, slates, context_window, {log_prob, entropy, {}, {}, {}, {}});
  return {log_prob, entropy};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>
slate_log_prob_forward_cpu(const at::Tensor& candidates, const at::Tensor& set_vector,
                           const at::Tensor& mask, const at::Tensor& weights,
                           const at::Tensor& attention, const at::Tensor& flags,
                           const at::Tensor& groups, const at::Tensor& pins,
                           const at::Tensor& dedup_keys, const at::Tensor& spacing,
                           const at::Tensor& quotas, const at::Tensor& slots,
                           const at::Tensor& temperature, const at::Tensor& slates,
                           int64_t context_window) {
  const DecoderArguments arguments = {candidates, set_vector, mask,       weights,    attention,
                                      flags,      groups,     pins,       dedup_keys, spacing,
                                      quotas,     slots,      temperature};
  check_slate_log_prob(arguments, slates, context_window);
  const int64_t M = candidates.size(1), D = candidates.size(2), H = attention.size(2);
  const int64_t B = slates.size(0), G = slates.size(1), N = slates.size(2);
  const auto empty = [&](int64_t rows, int64_t columns) {
    return at::empty({B, G, rows, columns}, candidates.options());
  };
  const Trail trail = {at::empty(slates.sizes(), candidates.options()),
                       at::empty(slates.sizes(), candidates.options()),
                       empty(N, M),
                       empty(N + 1, D),
                       empty(N, 4 * D),
                       empty(N, H)};
  walk_slates(arguments, slates, context_window, trail);
  return {trail.log_prob, trail.entropy, trail.probs, trail.hidden, trail.gates, trail.projection};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) {
  m.impl("slate_log_prob", &slate_log_prob_cpu);
  m.impl("slate_log_prob_forward", &slate_log_prob_forward_cpu);
}

}  // namespace gerank::cpu
