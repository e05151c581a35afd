#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "tensors.h"

namespace gerank::cuda {
namespace {

at::Tensor set_features_cuda(const at::Tensor& values, const at::Tensor& mask,
                             const at::Tensor& mean, const at::Tensor& deviation) {
  check_set_features(values, mask, mean, deviation);
  const c10::cuda::CUDAGuard guard(values.device());
  const int64_t B = values.size(0), M = values.size(1), F = values.size(2);
  at::Tensor out = at::empty({B, M, 3 * F}, values.options());
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "set_features", [&] {
    const Packed<scalar_t> numbers(values), middle(mean), unit(deviation);
    const Packed<bool> real(mask);
    const SetParams<scalar_t> params = {static_cast<int>(B), static_cast<int>(M),
                                        static_cast<int>(F), numbers.data,
                                        real.data,           middle.data,
                                        unit.data,           out.mutable_data_ptr<scalar_t>()};
    C10_CUDA_CHECK(launch_set_features(params, current_stream()));
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CUDA, m) { m.impl("set_features", &set_features_cuda); }

}  // namespace gerank::cuda
