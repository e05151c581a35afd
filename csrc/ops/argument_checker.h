// What the argument checks of every op are made of.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/SymInt.h>
#include <c10/util/Exception.h>

#include <initializer_list>
#include <sstream>
#include <string>

namespace gerank {

inline const char* dtype_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kLong:
      return "int64";
    case at::kBool:
      return "bool";
    default:
      return c10::toString(dtype);
  }
}

// Checks one op's tensors against each other. Every message reads `gerank::op: rule, got value`.
class ArgumentChecker {
 public:
  using Sizes = std::initializer_list<c10::SymInt>;

  // `reference` is the float tensor whose dtype and device the other arguments must share.
  ArgumentChecker(const char* op, const at::Tensor& reference, const char* name)
      : op_(op), dtype_(reference.scalar_type()), device_(reference.device()) {
    TORCH_CHECK(dtype_ == at::kFloat || dtype_ == at::kDouble, "gerank::", op_, ": ", name,
                " must be float32 or float64, got ", dtype_name(dtype_));
  }

  at::ScalarType float_dtype() const { return dtype_; }

  // The rank alone: needed before sizes are read off.
  void rank(const at::Tensor& tensor, const char* name, const char* axes, int64_t rank) const {
    TORCH_CHECK(tensor.dim() == rank, "gerank::", op_, ": ", name, " must be ", axes, ", got ",
                describe(tensor));
  }

  void tensor(const at::Tensor& tensor, const char* name, const char* axes, at::ScalarType dtype,
              Sizes sizes) const {
    if (C10_UNLIKELY(tensor.scalar_type() != dtype || !same_sizes(tensor, sizes))) {
      TORCH_CHECK(false, "gerank::", op_, ": ", name, " must be ", axes, " = ",
                  c10::SymIntArrayRef(sizes), " ", dtype_name(dtype), ", got ", describe(tensor));
    }
    same_device(tensor, name);
  }

  // A tensor whose leading axis is B, or 1 when all requests share it.
  void shared_tensor(const at::Tensor& tensor, const char* name, const char* axes,
                     Sizes sizes) const {
    const bool shared =
        tensor.dim() == static_cast<int64_t>(sizes.size()) && tensor.sym_size(0) == 1;
    if (!shared) return this->tensor(tensor, name, axes, dtype_, sizes);
    at::SmallVector<c10::SymInt, 4> single(sizes);
    single[0] = 1;
    if (C10_UNLIKELY(tensor.scalar_type() != dtype_ ||
                     tensor.sym_sizes() != c10::SymIntArrayRef(single))) {
      TORCH_CHECK(false, "gerank::", op_, ": ", name, " must be ", axes, " = ",
                  c10::SymIntArrayRef(sizes), " or with 1 in front, ", dtype_name(dtype_), ", got ",
                  describe(tensor));
    }
    same_device(tensor, name);
  }

  void at_most(const c10::SymInt& size, const char* axis, int64_t limit) const {
    TORCH_CHECK(size <= limit, "gerank::", op_, ": ", axis, " must be at most ", limit, ", got ",
                size);
  }

  void at_least(int64_t value, const char* name, int64_t limit) const {
    TORCH_CHECK(value >= limit, "gerank::", op_, ": ", name, " must be at least ", limit, ", got ",
                value);
  }

 private:
  void same_device(const at::Tensor& tensor, const char* name) const {
    TORCH_CHECK(tensor.device() == device_, "gerank::", op_, ": ", name, " must be on ", device_,
                " like the other arguments, got ", tensor.device());
  }

  static bool same_sizes(const at::Tensor& tensor, Sizes sizes) {
    return tensor.sym_sizes() == c10::SymIntArrayRef(sizes);
  }

  static std::string describe(const at::Tensor& tensor) {
    std::ostringstream text;
    text << tensor.sym_sizes() << " " << dtype_name(tensor.scalar_type());
    return text.str();
  }

  const char* op_;
  at::ScalarType dtype_;
  at::Device device_;
};

}  // namespace gerank
