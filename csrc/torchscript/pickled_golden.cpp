#include "pickled_golden.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "first_line.h"

namespace gerank {
namespace {

GoldenType golden_type(at::ScalarType type) {
  if (type == at::kFloat) return GoldenType::kFloat;
  if (type == at::kLong) return GoldenType::kInt64;
  if (type == at::kBool) return GoldenType::kBool;
  throw std::runtime_error("a tensor of " + std::string(c10::toString(type)));
}

GoldenTensor golden_tensor(const at::Tensor& from) {
  const at::Tensor dense = from.contiguous();
  GoldenTensor tensor;
  tensor.type = golden_type(dense.scalar_type());
  tensor.shape = dense.sizes().vec();
  tensor.values = std::make_shared<FileBytes>(dense.nbytes());
  if (dense.nbytes() > 0) {
    std::memcpy(tensor.values->data(), dense.const_data_ptr(), dense.nbytes());
  }
  return tensor;
}

}  // namespace

Status read_pickled_golden(std::string_view content, GoldenTensors* tensors) try {
  const c10::IValue golden =
      torch::jit::pickle_load(std::vector<char>(content.begin(), content.end()));
  for (const auto& entry : golden.toGenericDict()) {
    tensors->emplace(entry.key().toStringRef(), golden_tensor(entry.value().toTensor()));
  }
  return {};
} catch (const std::exception& error) {
  return Status(Code::kFailedPrecondition,
                "malformed artifact: 'extra/golden.pt': " + first_line(error));
}

}  // namespace gerank
