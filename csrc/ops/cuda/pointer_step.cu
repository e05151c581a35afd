#include "carver.cuh"
#include "distribution.cuh"
#include "params.h"
#include "scoring.cuh"

namespace gerank::cuda {
namespace {

constexpr int kThreads = 256;

// Column i of query + W_c c of one candidate.
template <typename scalar_t, typename Params>
__device__ __forceinline__ scalar_t context_row(const Params& params, int64_t b, int m, int i) {
  const StepSizes& sizes = params.sizes;
  const scalar_t* features = params.context + (b * sizes.num_candidates + m) * sizes.num_features;
  const scalar_t* w_context = params.w_context + b * params.w_context_stride;
  scalar_t row = params.query[b * sizes.width + i];
  for (int c = 0; c < sizes.num_features; ++c) {
    if (features[c] != 0) row = multiply_add(features[c], w_context[c * sizes.width + i], row);
  }
  return row;
}

// One block per request.
template <typename scalar_t>
class Stepper {
 public:
  __device__ explicit Stepper(const StepParams<scalar_t>& params)
      : params_(params), sizes_(params.sizes), b_(blockIdx.x) {
    Carver carver = {shared_memory(), 0};
    size_ = carver.take<int>(1);
    logits_ = carver.take<scalar_t>(sizes_.num_candidates);
    allowed_ = carver.take<int16_t>(sizes_.num_candidates);
  }

  static size_t shared_bytes(const StepSizes& sizes) {
    Carver carver = {nullptr, 0};
    carver.take<int>(1);
    carver.take<scalar_t>(sizes.num_candidates);
    carver.take<int16_t>(sizes.num_candidates);
    return carver.used;
  }

  __device__ void step() {
    if (warp_in_block() == 0) list();
    scalar_t* probs = params_.probs + b_ * sizes_.num_candidates;
    for (int m = threadIdx.x; m < sizes_.num_candidates; m += blockDim.x) probs[m] = 0;
    __syncthreads();
    for (int j = threadIdx.x / kTeam; j < *size_; j += blockDim.x / kTeam) score(j);
    __syncthreads();
    if (warp_in_block() == 0) answer(probs);
  }

 private:
  __device__ void list() {
    const bool* mask = params_.mask + b_ * sizes_.num_candidates;
    int size = 0;
    for (int first = 0; first < sizes_.num_candidates; first += kWarp) {
      const int m = first + thread_in_warp();
      const bool listed = m < sizes_.num_candidates && mask[m];
      const int at = append_to_list(listed, size);
      if (listed) allowed_[at] = static_cast<int16_t>(m);
    }
    if (thread_in_warp() == 0) *size_ = size;
  }

  // A team of threads per candidate.
  __device__ void score(int j) {
    const int m = allowed_[j], H = sizes_.width, thread = thread_in_warp() % kTeam;
    const scalar_t* key = params_.keys + (b_ * sizes_.num_candidates + m) * H;
    const scalar_t* v = params_.v + b_ * params_.v_stride;
    scalar_t sum = 0;
    for (int i = thread; i < H; i += kTeam) {
      const scalar_t row = context_row<scalar_t>(params_, b_, m, i);
      sum = multiply_add(v[i], tanh_of(key[i] + row), sum);
    }
    const unsigned team = ((1u << kTeam) - 1) << (thread_in_warp() - thread);
    sum = finite(group_sum<kTeam>(sum, team));
    if (thread == 0) logits_[j] = sum;
  }

  __device__ void answer(scalar_t* probs) {
    const int64_t forced = params_.forced[b_];
    const scalar_t temperature = params_.temperature[b_];
    if (forced < -1 || forced >= sizes_.num_candidates || !(temperature > 0) ||
        !is_finite(temperature)) {
      return write(-1, kNaN<scalar_t>, kNaN<scalar_t>);
    }
    const int size = *size_;
    const scalar_t impossible = forced >= 0 ? -kInfinity<scalar_t> : scalar_t(0);
    if (size == 0) return write(forced, impossible, 0);
    const auto candidate = [&](int i) { return static_cast<int>(allowed_[i]); };
    int picked = argmax(logits_, size);
    const auto distribution = distribute(logits_, size, temperature);
    if (forced >= 0) {
      picked = find_listed(static_cast<int>(forced), size, candidate);
    } else if (!params_.greedy[b_]) {
      const Draw draw = {static_cast<uint64_t>(params_.seeds[b_]), params_.slot, params_.slate};
      picked = sample(distribution, size, draw, candidate);
    }
    const scalar_t entropy = entropy_of(distribution, size);
    for (int i = thread_in_warp(); i < size; i += kWarp) probs[allowed_[i]] = distribution.prob(i);
    write(picked < 0 ? forced : candidate(picked),
          picked < 0 ? impossible : distribution.log_prob(picked), entropy);
  }

  __device__ void write(int64_t choice, scalar_t log_prob, scalar_t entropy) {
    if (thread_in_warp() != 0) return;
    params_.choice[b_] = choice;
    params_.log_prob[b_] = log_prob;
    params_.entropy[b_] = entropy;
  }

  const StepParams<scalar_t>& params_;
  const StepSizes& sizes_;
  const int64_t b_;
  int* size_;         // candidates allowed
  scalar_t* logits_;  // [M]
  int16_t* allowed_;  // [M] ascending
};

template <typename scalar_t>
__global__ void __launch_bounds__(kThreads)
    pointer_step_kernel(const __grid_constant__ StepParams<scalar_t> params) {
  Stepper<scalar_t>(params).step();
}

// Teams of threads share out the candidates; a thread of a team owns the columns that it visits.
template <typename scalar_t>
class StepGradient {
 public:
  __device__ explicit StepGradient(const StepGradientParams<scalar_t>& params)
      : params_(params), sizes_(params.sizes), groups_(groups(sizes_)), b_(blockIdx.x) {
    Carver carver = {shared_memory(), 0};
    grad_logits_ = carver.take<scalar_t>(sizes_.num_candidates);
    grad_query_ = carver.take<scalar_t>(groups_ * sizes_.width);
    grad_v_ = carver.take<scalar_t>(groups_ * sizes_.width);
  }

  static size_t shared_bytes(const StepSizes& sizes) {
    Carver carver = {nullptr, 0};
    carver.take<scalar_t>(sizes.num_candidates);
    carver.take<scalar_t>(groups(sizes) * sizes.width);
    carver.take<scalar_t>(groups(sizes) * sizes.width);
    return carver.used;
  }

  __device__ void add() {
    if (warp_in_block() == 0) find_grad_logits();
    __syncthreads();
    add_candidates();
    __syncthreads();
    add_shared();
  }

 private:
  static __host__ __device__ int groups(const StepSizes& sizes) {
    const int team = (sizes.width + kWarp - 1) / kWarp * kWarp;
    return team == 0 || team > kThreads ? 1 : kThreads / team;
  }

  __device__ void find_grad_logits() {
    // A forced choice that was not allowed has log_prob -inf and no gradient.
    const bool possible = is_finite(params_.log_prob[b_]);
    const SlotGradient<scalar_t> gradient = {params_.probs + b_ * sizes_.num_candidates,
                                             params_.entropy[b_],
                                             possible ? params_.grad_log_prob[b_] : scalar_t(0),
                                             params_.grad_entropy[b_], params_.temperature[b_]};
    gradient.by_logits(static_cast<int>(params_.choice[b_]), sizes_.num_candidates, grad_logits_);
  }

  __device__ void add_candidates() {
    const int M = sizes_.num_candidates, H = sizes_.width, team = kThreads / groups_;
    const int group = threadIdx.x / team;
    if (group >= groups_) return;
    const scalar_t* v = params_.v + b_ * params_.v_stride;
    for (int i = threadIdx.x % team; i < H; i += team) {
      scalar_t grad_query = 0, grad_v = 0;
      for (int m = group; m < M; m += groups_) {
        const scalar_t grad = grad_logits_[m];
        const int64_t at = (b_ * M + m) * H + i;
        scalar_t grad_x = 0;
        if (grad != 0) {  // what is masked may hold anything
          const scalar_t row = context_row<scalar_t>(params_, b_, m, i);
          const scalar_t r = half_complement(params_.keys[at] + row);
          grad_x = grad * v[i] * (scalar_t(4) * r * (scalar_t(1) - r));
          grad_v += grad * (scalar_t(1) - scalar_t(2) * r);
        }
        grad_query += grad_x;
        params_.grad_keys[at] = grad_x;
      }
      grad_query_[group * H + i] = grad_query;
      grad_v_[group * H + i] = grad_v;
    }
  }

  __device__ void add_shared() {
    const int M = sizes_.num_candidates, H = sizes_.width, C = sizes_.num_features;
    for (int i = threadIdx.x; i < H; i += blockDim.x) {
      scalar_t grad_query = 0, grad_v = 0;
      for (int group = 0; group < groups_; ++group) {
        grad_query += grad_query_[group * H + i];
        grad_v += grad_v_[group * H + i];
      }
      params_.grad_query[b_ * H + i] = grad_query;
      params_.grad_v[b_ * H + i] = grad_v;
    }
    for (int item = threadIdx.x; item < C * H; item += blockDim.x) {
      const int c = item / H, i = item % H;
      scalar_t sum = 0;
      for (int m = 0; m < M; ++m) {
        if (grad_logits_[m] == 0) continue;
        const int64_t row = b_ * M + m;
        sum = multiply_add(params_.context[row * C + c], params_.grad_keys[row * H + i], sum);
      }
      params_.grad_w_context[b_ * C * H + item] = sum;
    }
  }

  const StepGradientParams<scalar_t>& params_;
  const StepSizes& sizes_;
  const int groups_;
  const int64_t b_;
  scalar_t* grad_logits_;  // [M]
  scalar_t* grad_query_;   // [groups, H]
  scalar_t* grad_v_;       // [groups, H]
};

template <typename scalar_t>
__global__ void __launch_bounds__(kThreads)
    pointer_step_backward_kernel(const __grid_constant__ StepGradientParams<scalar_t> params) {
  StepGradient<scalar_t>(params).add();
}

}  // namespace

template <typename scalar_t>
cudaError_t launch_pointer_step(const StepParams<scalar_t>& params, cudaStream_t stream) {
  if (params.sizes.batch == 0) return cudaSuccess;
  return launch(&pointer_step_kernel<scalar_t>, params, params.sizes.batch, kThreads,
                Stepper<scalar_t>::shared_bytes(params.sizes), stream);
}

template <typename scalar_t>
cudaError_t launch_pointer_step_backward(const StepGradientParams<scalar_t>& params,
                                         cudaStream_t stream) {
  if (params.sizes.batch == 0) return cudaSuccess;
  return launch(&pointer_step_backward_kernel<scalar_t>, params, params.sizes.batch, kThreads,
                StepGradient<scalar_t>::shared_bytes(params.sizes), stream);
}

template cudaError_t launch_pointer_step(const StepParams<float>&, cudaStream_t);
template cudaError_t launch_pointer_step(const StepParams<double>&, cudaStream_t);
template cudaError_t launch_pointer_step_backward(const StepGradientParams<float>&, cudaStream_t);
template cudaError_t launch_pointer_step_backward(const StepGradientParams<double>&, cudaStream_t);

}  // namespace gerank::cuda
