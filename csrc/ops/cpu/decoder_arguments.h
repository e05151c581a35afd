// The tensors of decode_slates and slate_log_prob as plain pointers, and the checks of their
// values.
#pragma once

#include <ATen/core/Tensor.h>

#include <cmath>
#include <cstdint>

#include "../checks.h"
#include "kernels/tasks.h"

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

// Two pins on one candidate, or on one dedup key, cannot both be served.
inline void check_pin_pair(const RequestView& request, int64_t b, int slot, const char* op) {
  const int64_t pin = request.pins[slot];
  const int64_t key = request.dedup_keys[pin];
  for (int other = 0; other < slot; ++other) {
    const int64_t pinned = request.pins[other];
    if (pinned < 0) continue;
    TORCH_CHECK(pinned != pin, "gerank::", op, ": pins must name a candidate once, got candidate ",
                pin, " at slots ", other, " and ", slot, " of request ", b);
    TORCH_CHECK(key == -1 || request.dedup_keys[pinned] != key, "gerank::", op,
                ": pins must name a dedup key once, got key ", key, " at slots ", other, " and ",
                slot, " of request ", b);
  }
}

inline void check_pins(const RequestView& request, int64_t b, const char* op) {
  for (int slot = 0; slot < request.num_slots; ++slot) {
    const int64_t pin = request.pins[slot];
    if (pin == -1) continue;
    TORCH_CHECK(pin >= 0 && pin < request.num_candidates, "gerank::", op,
                ": pins must be -1 or a candidate below ", request.num_candidates, ", got ", pin,
                " at slot ", slot, " of request ", b);
    TORCH_CHECK(slot < request.slots, "gerank::", op, ": pins must lie in the ", request.slots,
                " slots asked for, got candidate ", pin, " at slot ", slot, " of request ", b);
    check_pin_pair(request, b, slot, op);
  }
}

template <typename scalar_t>
void check_values(const DecoderView<scalar_t>& inputs, const char* op) {
  for (int64_t b = 0; b < inputs.batch; ++b) {
    const int64_t slots = inputs.slots[b];
    TORCH_CHECK(slots >= 0 && slots <= inputs.num_slots, "gerank::", op,
                ": slots must be between 0 and ", inputs.num_slots, ", got ", slots,
                " for request ", b);
    const scalar_t temperature = inputs.temperature[b];
    TORCH_CHECK(temperature > 0 && std::isfinite(temperature), "gerank::", op,
                ": temperature must be positive and finite, got ", temperature, " for request ", b);
    check_pins(inputs.request(b), b, op);
  }
}

}  // namespace gerank::cpu
