#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <tuple>

#include "../../kernels/instruction_set.h"
#include "../checks.h"
#include "blocks.h"
#include "decoder_arguments.h"

namespace gerank::cpu {
namespace {

template <typename scalar_t>
struct SavedTensors {
  explicit SavedTensors(const SlateGradientArguments& arguments)
      : grad_log_prob(arguments.grad_log_prob),
        grad_entropy(arguments.grad_entropy),
        candidates(arguments.candidates),
        weights(arguments.weights),
        attention(arguments.attention),
        flags(arguments.flags),
        groups(arguments.groups),
        slots(arguments.slots),
        temperature(arguments.temperature),
        slates(arguments.slates),
        log_prob(arguments.log_prob),
        entropy(arguments.entropy),
        probs(arguments.probs),
        hidden(arguments.hidden),
        gates(arguments.gates),
        projection(arguments.projection) {}

  const Packed<scalar_t> grad_log_prob, grad_entropy, candidates, weights;
  const SharedRows<scalar_t> attention;
  const Packed<bool> flags;
  const Packed<int64_t> groups, slots;
  const Packed<scalar_t> temperature;
  const Packed<int64_t> slates;
  const Packed<scalar_t> log_prob, entropy, probs, hidden, gates, projection;
};

// What the forward has checked; only a caller who bypasses it can get here with other values.
template <typename scalar_t>
void check_saved_values(const GradientTask<scalar_t>& saved, int64_t batch) {
  for (int64_t b = 0; b < batch; ++b) {
    TORCH_CHECK(saved.slots[b] >= 0 && saved.slots[b] <= saved.num_slots,
                "gerank::slate_log_prob_backward: slots must be between 0 and ", saved.num_slots,
                ", got ", saved.slots[b], " for request ", b);
  }
  for (int64_t i = 0; i < batch * saved.num_slates * saved.num_slots; ++i) {
    TORCH_CHECK(saved.slates[i] >= -1 && saved.slates[i] < saved.num_candidates,
                "gerank::slate_log_prob_backward: slates must hold -1 or a candidate below ",
                saved.num_candidates, ", got ", saved.slates[i]);
  }
}

// Every thread adds up its own gradients of the shared parameters: weights [P], then a shared
// attention.
template <typename scalar_t>
at::Tensor run_gradient(const GradientTask<scalar_t>& task, int64_t batch,
                        const at::TensorOptions& options) {
  const int64_t weights = task.weight_layout().size();
  const int64_t shared = task.attention_layout().rows() * task.attention_width;
  const int64_t block =
      block_size(batch, task.num_candidates * task.attention_width * 4, at::get_num_threads());
  const int64_t memory = kernels<scalar_t>().gradient_memory(task, block);
  const int64_t threads = at::get_num_threads();
  const at::Tensor partial = at::zeros({threads, weights + shared}, options);
  scalar_t* sums = partial.mutable_data_ptr<scalar_t>();
  at::parallel_for(0, (batch + block - 1) / block, 1, [&](int64_t begin, int64_t end) {
    scalar_t* own = sums + at::get_thread_num() * (weights + shared);
    kernels<scalar_t>().gradient(task, block, begin * block, std::min(end * block, batch),
                                 thread_memory(memory), own, own + weights);
  });
  return threads == 1 ? partial.squeeze(0) : partial.sum(0);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> slate_log_prob_backward_cpu(
    const at::Tensor& grad_log_prob, const at::Tensor& grad_entropy, const at::Tensor& candidates,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& slots, const at::Tensor& temperature,
    const at::Tensor& slates, const at::Tensor& log_prob, const at::Tensor& entropy,
    const at::Tensor& probs, const at::Tensor& hidden, const at::Tensor& gates,
    const at::Tensor& projection, int64_t context_window) {
  const SlateGradientArguments arguments = {
      grad_log_prob, grad_entropy, candidates, weights, attention, flags,  groups, slots,
      temperature,   slates,       log_prob,   entropy, probs,     hidden, gates,  projection};
  check_slate_log_prob_backward(arguments);
  const int64_t B = slates.size(0), G = slates.size(1), N = slates.size(2);
  const int64_t M = candidates.size(1), D = candidates.size(2), H = attention.size(2);
  const int64_t Q = flags.size(2), K = groups.size(2), rows = attention.size(1);
  const bool is_shared = attention.size(0) != B;
  const at::Tensor grad_candidates = at::empty({B, M, D}, candidates.options());
  const at::Tensor grad_set_vector = at::empty({B, D}, candidates.options());
  at::Tensor grad_attention = at::zeros({is_shared ? 0 : B, rows, H}, candidates.options());
  at::Tensor sums;
  AT_DISPATCH_FLOATING_TYPES(candidates.scalar_type(), "slate_log_prob_backward", [&] {
    const SavedTensors<scalar_t> saved(arguments);
    const GradientTask<scalar_t> task = {M,
                                         N,
                                         G,
                                         D,
                                         H,
                                         Q,
                                         K,
                                         context_window,
                                         saved.attention.stride(),
                                         is_shared ? 0 : rows * H,
                                         saved.grad_log_prob.data,
                                         saved.grad_entropy.data,
                                         saved.candidates.data,
                                         saved.weights.data,
                                         saved.attention.of(0),
                                         saved.flags.data,
                                         saved.groups.data,
                                         saved.slots.data,
                                         saved.temperature.data,
                                         saved.slates.data,
                                         saved.log_prob.data,
                                         saved.entropy.data,
                                         saved.probs.data,
                                         saved.hidden.data,
                                         saved.gates.data,
                                         saved.projection.data,
                                         grad_candidates.mutable_data_ptr<scalar_t>(),
                                         grad_set_vector.mutable_data_ptr<scalar_t>(),
                                         grad_attention.mutable_data_ptr<scalar_t>()};
    check_saved_values(task, B);
    sums = run_gradient(task, B, candidates.options());
  });
  const int64_t P = weights.size(0);
  if (is_shared) grad_attention = sums.narrow(0, P, rows * H).view({1, rows, H}).clone();
  return {grad_candidates, grad_set_vector, sums.narrow(0, 0, P), grad_attention};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) {
  m.impl("slate_log_prob_backward", &slate_log_prob_backward_cpu);
}

}  // namespace gerank::cpu
