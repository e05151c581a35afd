// From tensors to the kernels' Params, and what a launch needs of torch. Only the glue includes
// this: the kernels see no torch header.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdint>

#include "../checks.h"
#include "params.h"

namespace gerank::cuda {

// A tensor made contiguous, and its data.
template <typename value_t>
struct Packed {
  explicit Packed(const at::Tensor& given)
      : tensor(given.contiguous()), data(tensor.template const_data_ptr<value_t>()) {}

  const at::Tensor tensor;
  const value_t* const data;
};

// A tensor whose leading axis may be 1 or have stride 0: all requests share one entry, which is not
// copied B times.
template <typename scalar_t>
struct SharedRows {
  explicit SharedRows(const at::Tensor& given)
      : is_shared(given.size(0) == 1 || given.stride(0) == 0),
        tensor((is_shared && given.size(0) > 0 ? given.narrow(0, 0, 1) : given).contiguous()),
        data(tensor.template const_data_ptr<scalar_t>()),
        stride(is_shared || given.size(0) == 0 ? 0 : tensor.stride(0)) {}

  const bool is_shared;
  const at::Tensor tensor;
  const scalar_t* const data;
  const int64_t stride;
};

inline cudaStream_t current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

// Returns the limits of the current device. It reads two cached attributes: nothing is queued,
// and nothing is waited for.
inline DeviceLimits device_limits() {
  int device = 0, multiprocessors = 0, shared_bytes = 0;
  C10_CUDA_CHECK(cudaGetDevice(&device));
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device));
  C10_CUDA_CHECK(
      cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
  return {multiprocessors, static_cast<size_t>(shared_bytes)};
}

inline DecoderSizes decoder_sizes(const at::Tensor& candidates, const at::Tensor& attention,
                                  const at::Tensor& flags, const at::Tensor& groups,
                                  int64_t num_slots, int64_t num_slates) {
  const auto size = [](int64_t value) { return static_cast<int>(value); };
  return {size(candidates.size(0)), size(candidates.size(1)), size(num_slots),
          size(candidates.size(2)), size(attention.size(2)),  size(flags.size(2)),
          size(groups.size(2)),     size(num_slates)};
}

inline void check_plan(bool fits, const char* op, const DecoderSizes& sizes,
                       const DeviceLimits& limits) {
  TORCH_CHECK(fits, "gerank::", op, ": D = ", sizes.width, ", H = ", sizes.attention_width,
              " must fit into the ", limits.shared_bytes,
              " bytes of shared memory that a block of this GPU may have");
}

// The arguments that decode_slates and slate_log_prob have in common, alive while they are used.
template <typename scalar_t>
struct DecoderTensors {
  DecoderTensors(const DecoderArguments& arguments, int64_t num_slates, const char* op)
      : sizes(decoder_sizes(arguments.candidates, arguments.attention, arguments.flags,
                            arguments.groups, arguments.pins.size(1), num_slates)),
        plan(plan_for(sizes, op)),
        candidates(arguments.candidates),
        set_vector(arguments.set_vector),
        weights(arguments.weights),
        temperature(arguments.temperature),
        attention(arguments.attention),
        mask(arguments.mask),
        flags(arguments.flags),
        groups(arguments.groups),
        pins(arguments.pins),
        dedup_keys(arguments.dedup_keys),
        spacing(arguments.spacing),
        quotas(arguments.quotas),
        slots(arguments.slots),
        keys(at::empty({plan.key_numbers(sizes)}, arguments.candidates.options())) {}

  DecoderParams<scalar_t> params(int64_t context_window) const {
    return {sizes,
            plan,
            context_window,
            attention.stride,
            candidates.data,
            set_vector.data,
            mask.data,
            weights.data,
            attention.data,
            flags.data,
            groups.data,
            pins.data,
            dedup_keys.data,
            spacing.data,
            quotas.data,
            slots.data,
            temperature.data,
            keys.mutable_data_ptr<scalar_t>()};
  }

  const DecoderSizes sizes;
  const DecoderPlan plan;
  const Packed<scalar_t> candidates, set_vector, weights, temperature;
  const SharedRows<scalar_t> attention;
  const Packed<bool> mask, flags;
  const Packed<int64_t> groups, pins, dedup_keys, spacing, quotas, slots;
  const at::Tensor keys;  // scratch

 private:
  static DecoderPlan plan_for(const DecoderSizes& sizes, const char* op) {
    const DeviceLimits limits = device_limits();
    const DecoderPlan plan = plan_decoder(sizes, limits, sizeof(scalar_t));
    check_plan(plan.sequences > 0, op, sizes, limits);
    return plan;
  }
};

}  // namespace gerank::cuda
