#include "capacity.h"
#include "params.h"
#include "slate_gradient.cuh"

namespace gerank::cuda {
namespace {

template <typename scalar_t, int kCapacity>
__global__ void __launch_bounds__(256)
    slate_log_prob_backward_kernel(const __grid_constant__ SlateGradientParams<scalar_t> params) {
  SlateGradient<scalar_t, kCapacity> gradient(params);
  for (int b = blockIdx.x; b < params.sizes.batch; b += gridDim.x) gradient.add(b);
}

}  // namespace

template <typename scalar_t>
cudaError_t launch_slate_log_prob_backward(const SlateGradientParams<scalar_t>& params,
                                           cudaStream_t stream) {
  const GradientPlan& plan = params.plan;
  if (params.sizes.batch == 0) return cudaSuccess;
  return with_capacity<scalar_t>(plan.capacity, [&](auto capacity) {
    return launch(&slate_log_prob_backward_kernel<scalar_t, decltype(capacity)::value>, params,
                  plan.blocks, plan.threads, plan.shared_bytes, stream);
  });
}

template cudaError_t launch_slate_log_prob_backward(const SlateGradientParams<float>&,
                                                    cudaStream_t);
template cudaError_t launch_slate_log_prob_backward(const SlateGradientParams<double>&,
                                                    cudaStream_t);

}  // namespace gerank::cuda
