// The tensors of decode_slates and slate_log_prob as plain pointers, and the checks of their
// values.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "../../kernels/tasks.h"
#include "../../kernels/value_checks.h"
#include "../checks.h"

namespace gerank::cpu {

// A tensor whose leading axis may be 1 or have stride 0: all requests share one entry, which is not
// copied B times.
template <typename scalar_t>
class SharedRows {
 public:
  explicit SharedRows(const at::Tensor& tensor) {
    const bool shared = tensor.size(0) == 1 || tensor.stride(0) == 0;
    rows_ = (shared && tensor.size(0) > 1 ? tensor.narrow(0, 0, 1) : tensor).contiguous();
    stride_ = shared || tensor.size(0) == 0 ? 0 : rows_.stride(0);
    pointer_ = rows_.template const_data_ptr<scalar_t>();
  }

  const scalar_t* of(int64_t request) const { return pointer_ + request * stride_; }
  int64_t stride() const { return stride_; }

 private:
  at::Tensor rows_;
  const scalar_t* pointer_;
  int64_t stride_;
};

// A tensor made contiguous, and its data.
template <typename value_t>
struct Packed {
  explicit Packed(const at::Tensor& given)
      : tensor(given.contiguous()), data(tensor.template const_data_ptr<value_t>()) {}

  const at::Tensor tensor;
  const value_t* const data;
};

template <typename scalar_t>
struct DecoderInputs {
  DecoderInputs(const DecoderArguments& arguments, int64_t context_window)
      : candidates(arguments.candidates),
        set_vector(arguments.set_vector),
        mask(arguments.mask),
        weights(arguments.weights),
        attention(arguments.attention),
        flags(arguments.flags),
        groups(arguments.groups),
        pins(arguments.pins),
        dedup_keys(arguments.dedup_keys),
        spacing(arguments.spacing),
        quotas(arguments.quotas),
        slots(arguments.slots),
        temperature(arguments.temperature),
        view{arguments.candidates.size(0),
             arguments.candidates.size(1),
             arguments.pins.size(1),
             arguments.candidates.size(2),
             arguments.attention.size(2),
             arguments.flags.size(2),
             arguments.groups.size(2),
             context_window,
             attention.stride(),
             candidates.data,
             set_vector.data,
             mask.data,
             weights.data,
             attention.of(0),
             flags.data,
             groups.data,
             pins.data,
             dedup_keys.data,
             spacing.data,
             quotas.data,
             slots.data,
             temperature.data} {}

  const Packed<scalar_t> candidates, set_vector;
  const Packed<bool> mask;
  const Packed<scalar_t> weights;
  const SharedRows<scalar_t> attention;
  const Packed<bool> flags;
  const Packed<int64_t> groups, pins, dedup_keys, spacing, quotas, slots;
  const Packed<scalar_t> temperature;
  const DecoderView<scalar_t> view;
};

template <typename scalar_t>
void check_values(const DecoderView<scalar_t>& inputs, const char* op) {
  const std::string words = bad_values(inputs);
  TORCH_CHECK(words.empty(), "gerank::", op, ": ", words);
}

}  // namespace gerank::cpu
