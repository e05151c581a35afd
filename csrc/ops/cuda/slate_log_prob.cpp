#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <tuple>

#include "tensors.h"

namespace gerank::cuda {
namespace {

// What a backward needs is undefined where none will follow.
struct Saved {
  at::Tensor probs, hidden, gates, projection;
};

template <typename scalar_t>
scalar_t* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<scalar_t>() : nullptr;
}

std::tuple<at::Tensor, at::Tensor> walk_slates(const DecoderArguments& arguments,
                                               const at::Tensor& slates, int64_t context_window,
                                               const Saved& saved) {
  const auto options = arguments.candidates.options();
  at::Tensor log_prob = at::empty(slates.sizes(), options);
  at::Tensor entropy = at::empty(slates.sizes(), options);
  AT_DISPATCH_FLOATING_TYPES(arguments.candidates.scalar_type(), "slate_log_prob", [&] {
    const DecoderTensors<scalar_t> tensors(arguments, slates.size(1), "slate_log_prob");
    const Packed<int64_t> given(slates);
    const TeacherParams<scalar_t> params = {
        tensors.params(context_window),        given.data,
        log_prob.mutable_data_ptr<scalar_t>(), entropy.mutable_data_ptr<scalar_t>(),
        data_or_null<scalar_t>(saved.probs),   data_or_null<scalar_t>(saved.hidden),
        data_or_null<scalar_t>(saved.gates),   data_or_null<scalar_t>(saved.projection)};
    C10_CUDA_CHECK(launch_slate_log_prob(params, current_stream()));
  });
  return {log_prob, entropy};
}

std::tuple<at::Tensor, at::Tensor> slate_log_prob_cuda(
    const at::Tensor& candidates, const at::Tensor& set_vector, const at::Tensor& mask,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& pins, const at::Tensor& dedup_keys,
    const at::Tensor& spacing, const at::Tensor& quotas, const at::Tensor& slots,
    const at::Tensor& temperature, const at::Tensor& slates, int64_t context_window) {
  const DecoderArguments arguments = {candidates, set_vector, mask,       weights,    attention,
                                      flags,      groups,     pins,       dedup_keys, spacing,
                                      quotas,     slots,      temperature};
  check_slate_log_prob(arguments, slates, context_window);
  const c10::cuda::CUDAGuard guard(candidates.device());
  return walk_slates(arguments, slates, context_window, {});
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>
slate_log_prob_forward_cuda(const at::Tensor& candidates, const at::Tensor& set_vector,
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
  const c10::cuda::CUDAGuard guard(candidates.device());
  const int64_t M = candidates.size(1), D = candidates.size(2), H = attention.size(2);
  const int64_t B = slates.size(0), G = slates.size(1), N = slates.size(2);
  // Zeros, because the backward multiplies rows behind a slate's end by a gradient of 0.
  const auto zeros = [&](int64_t rows, int64_t columns) {
    return at::zeros({B, G, rows, columns}, candidates.options());
  };
  const Saved saved = {zeros(N, M), zeros(N + 1, D), zeros(N, 4 * D), zeros(N, H)};
  const auto [log_prob, entropy] = walk_slates(arguments, slates, context_window, saved);
  return {log_prob, entropy, saved.probs, saved.hidden, saved.gates, saved.projection};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CUDA, m) {
  m.impl("slate_log_prob", &slate_log_prob_cuda);
  m.impl("slate_log_prob_forward", &slate_log_prob_forward_cuda);
}

}  // namespace gerank::cuda
