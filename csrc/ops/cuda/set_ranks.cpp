#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "tensors.h"

namespace gerank::cuda {
namespace {

at::Tensor set_ranks_cuda(const at::Tensor& features, const at::Tensor& mask) {
  check_set_ranks(features, mask);
  const c10::cuda::CUDAGuard guard(features.device());
  at::Tensor ranks = at::empty(features.sizes(), features.options());
  AT_DISPATCH_FLOATING_TYPES(features.scalar_type(), "set_ranks", [&] {
    const Packed<scalar_t> values(features);
    const Packed<bool> real(mask);
    const RanksParams<scalar_t> params = {static_cast<int>(features.size(0)),
                                          static_cast<int>(features.size(1)),
                                          static_cast<int>(features.size(2)),
                                          values.data,
                                          real.data,
                                          ranks.mutable_data_ptr<scalar_t>()};
    C10_CUDA_CHECK(launch_set_ranks(params, current_stream()));
  });
  return ranks;
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CUDA, m) { m.impl("set_ranks", &set_ranks_cuda); }

}  // namespace gerank::cuda
