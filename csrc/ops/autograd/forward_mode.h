// Forward-mode differentiation, which no op here has.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <initializer_list>

namespace gerank::autograd {

struct NamedTensor {
  const char* name;
  const at::Tensor& tensor;
};

// Throws if one of an op's arguments carries a tangent, be it of torch.func.jvp, of jacfwd or of
// torch.autograd.forward_ad: the op would drop it, and the derivative would be zero without a word.
// `instead` says what the caller can do.
inline void no_tangents(const char* op, std::initializer_list<NamedTensor> arguments,
                        const char* instead) {
  constexpr std::uint64_t kLevel = 0;  // the only one that torch has
  for (const auto& [name, tensor] : arguments) {
    TORCH_CHECK_NOT_IMPLEMENTED(!tensor._fw_grad(kLevel).defined(), op,
                                ": has no forward-mode derivative, but ", name,
                                " carries a tangent; ", instead);
  }
}

constexpr const char* kReverseMode =
    "differentiate in reverse mode: backward() or torch.autograd.grad";
constexpr const char* kOnce = "the op is differentiable once, in reverse mode";

}  // namespace gerank::autograd
