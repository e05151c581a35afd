// The kernels as C functions over plain pointers, for ctypes. `tensors` holds the op's tensors in
// the order of its schema, then its outputs in that of the Params struct; `plan` replaces what the
// planner decides: a negative number leaves it.
#include <limits>
#include <vector>

#include "../../../csrc/ops/cuda/maths.cuh"
#include "../../../csrc/ops/cuda/params.h"
#include "fibers.h"

namespace gerank::cuda {
namespace {

// Takes the tensors one by one.
struct Tensors {
  void* const* next;

  template <typename value_t>
  value_t* take() {
    return static_cast<value_t*>(*next++);
  }
};

DecoderSizes decoder_sizes(const int64_t* sizes) {
  return {static_cast<int>(sizes[0]), static_cast<int>(sizes[1]), static_cast<int>(sizes[2]),
          static_cast<int>(sizes[3]), static_cast<int>(sizes[4]), static_cast<int>(sizes[5]),
          static_cast<int>(sizes[6]), static_cast<int>(sizes[7])};
}

DeviceLimits limits_of(const int64_t* plan) {
  return {static_cast<int>(plan[0]), static_cast<size_t>(plan[1])};
}

template <typename number_t>
void replace(number_t& number, int64_t by) {
  if (by >= 0) number = static_cast<number_t>(by);
}

DecoderPlan decoder_plan(const DecoderSizes& sizes, const int64_t* by, size_t scalar_bytes) {
  DecoderPlan plan = plan_decoder(sizes, limits_of(by), scalar_bytes);
  if (plan.sequences == 0) return plan;
  replace(plan.sequences, by[2]);
  replace(plan.threads, by[3]);
  replace(plan.max_rows, by[4]);
  replace(plan.resident, by[5]);
  replace(plan.shared_keys, by[6]);
  replace(plan.capacity, by[7]);
  replace(plan.slates_per_item, by[8]);
  replace(plan.blocks, by[9]);
  plan.shared_bytes = decoder_bytes(sizes, plan, scalar_bytes);
  return plan;
}

GradientPlan gradient_plan(const DecoderSizes& sizes, const int64_t* by, size_t scalar_bytes) {
  GradientPlan plan = plan_gradient(sizes, limits_of(by), scalar_bytes);
  if (plan.groups == 0) return plan;
  replace(plan.threads, by[3]);
  replace(plan.max_rows, by[4]);
  replace(plan.capacity, by[7]);
  replace(plan.blocks, by[9]);
  replace(plan.groups, by[10]);
  plan.shared_bytes = gradient_bytes(sizes, plan, scalar_bytes);
  return plan;
}

// sizes: B, M, N, D, H, Q, K, G, W, stride of attention.
template <typename scalar_t>
DecoderParams<scalar_t> decoder_params(const int64_t* sizes, Tensors& tensors, const int64_t* plan,
                                       std::vector<scalar_t>& keys) {
  DecoderParams<scalar_t> params = {};
  params.sizes = decoder_sizes(sizes);
  params.plan = decoder_plan(params.sizes, plan, sizeof(scalar_t));
  params.context_window = sizes[8];
  params.attention_stride = sizes[9];
  params.candidates = tensors.take<scalar_t>();
  params.set_vector = tensors.take<scalar_t>();
  params.mask = tensors.take<bool>();
  params.weights = tensors.take<scalar_t>();
  params.attention = tensors.take<scalar_t>();
  params.flags = tensors.take<bool>();
  params.groups = tensors.take<int64_t>();
  params.pins = tensors.take<int64_t>();
  params.dedup_keys = tensors.take<int64_t>();
  params.spacing = tensors.take<int64_t>();
  params.quotas = tensors.take<int64_t>();
  params.slots = tensors.take<int64_t>();
  params.temperature = tensors.take<scalar_t>();
  keys.assign(params.plan.key_numbers(params.sizes), std::numeric_limits<scalar_t>::quiet_NaN());
  params.keys = keys.data();
  return params;
}

template <typename scalar_t>
int decode_slates(const int64_t* sizes, void* const* pointers, const int64_t* plan) {
  Tensors tensors = {pointers};
  std::vector<scalar_t> keys;
  DecodeParams<scalar_t> params = {};
  params.decoder = decoder_params(sizes, tensors, plan, keys);
  params.seeds = tensors.take<int64_t>();
  params.greedy = tensors.take<bool>();
  params.slates = tensors.take<int64_t>();
  params.log_prob = tensors.take<scalar_t>();
  params.relaxed = tensors.take<int64_t>();
  return launch_decode_slates(params, nullptr);
}

template <typename scalar_t>
int slate_log_prob(const int64_t* sizes, void* const* pointers, const int64_t* plan) {
  Tensors tensors = {pointers};
  std::vector<scalar_t> keys;
  TeacherParams<scalar_t> params = {};
  params.decoder = decoder_params(sizes, tensors, plan, keys);
  params.slates = tensors.take<int64_t>();
  params.log_prob = tensors.take<scalar_t>();
  params.entropy = tensors.take<scalar_t>();
  params.probs = tensors.take<scalar_t>();
  params.hidden = tensors.take<scalar_t>();
  params.gates = tensors.take<scalar_t>();
  params.projection = tensors.take<scalar_t>();
  return launch_slate_log_prob(params, nullptr);
}

template <typename scalar_t>
int slate_log_prob_backward(const int64_t* sizes, void* const* pointers, const int64_t* plan) {
  Tensors tensors = {pointers};
  SlateGradientParams<scalar_t> params = {};
  params.sizes = decoder_sizes(sizes);
  params.plan = gradient_plan(params.sizes, plan, sizeof(scalar_t));
  params.context_window = sizes[8];
  params.attention_stride = sizes[9];
  params.grad_log_prob = tensors.take<scalar_t>();
  params.grad_entropy = tensors.take<scalar_t>();
  params.candidates = tensors.take<scalar_t>();
  params.weights = tensors.take<scalar_t>();
  params.attention = tensors.take<scalar_t>();
  params.flags = tensors.take<bool>();
  params.groups = tensors.take<int64_t>();
  params.slots = tensors.take<int64_t>();
  params.temperature = tensors.take<scalar_t>();
  params.slates = tensors.take<int64_t>();
  for (const scalar_t** saved : {&params.log_prob, &params.entropy, &params.probs, &params.hidden,
                                 &params.gates, &params.projection}) {
    *saved = tensors.take<scalar_t>();
  }
  for (scalar_t** factor :
       {&params.grad_keys, &params.grad_candidates, &params.grad_set_vector, &params.grad_start,
        &params.grad_attention, &params.grad_query, &params.terms, &params.grad_state,
        &params.grad_input, &params.inputs}) {
    *factor = tensors.take<scalar_t>();
  }
  std::vector<scalar_t> keys(params.plan.key_numbers(params.sizes),
                             std::numeric_limits<scalar_t>::quiet_NaN());
  params.keys = keys.data();
  return launch_slate_log_prob_backward(params, nullptr);
}

// sizes: B, M, H, C, stride of w_context, stride of v, slot, slate.
StepSizes step_sizes(const int64_t* sizes) {
  return {static_cast<int>(sizes[0]), static_cast<int>(sizes[1]), static_cast<int>(sizes[2]),
          static_cast<int>(sizes[3])};
}

template <typename scalar_t>
int pointer_step(const int64_t* sizes, void* const* pointers, const int64_t*) {
  Tensors tensors = {pointers};
  StepParams<scalar_t> params = {};
  params.sizes = step_sizes(sizes);
  params.w_context_stride = sizes[4];
  params.v_stride = sizes[5];
  params.slot = static_cast<int>(sizes[6]);
  params.slate = static_cast<int>(sizes[7]);
  for (const scalar_t** input :
       {&params.keys, &params.query, &params.context, &params.w_context, &params.v}) {
    *input = tensors.take<scalar_t>();
  }
  params.mask = tensors.take<bool>();
  params.temperature = tensors.take<scalar_t>();
  params.seeds = tensors.take<int64_t>();
  params.greedy = tensors.take<bool>();
  params.forced = tensors.take<int64_t>();
  params.choice = tensors.take<int64_t>();
  params.log_prob = tensors.take<scalar_t>();
  params.entropy = tensors.take<scalar_t>();
  params.probs = tensors.take<scalar_t>();
  return launch_pointer_step(params, nullptr);
}

template <typename scalar_t>
int pointer_step_backward(const int64_t* sizes, void* const* pointers, const int64_t*) {
  Tensors tensors = {pointers};
  StepGradientParams<scalar_t> params = {};
  params.sizes = step_sizes(sizes);
  params.w_context_stride = sizes[4];
  params.v_stride = sizes[5];
  for (const scalar_t** input :
       {&params.grad_log_prob, &params.grad_entropy, &params.keys, &params.query, &params.context,
        &params.w_context, &params.v, &params.temperature}) {
    *input = tensors.take<scalar_t>();
  }
  params.choice = tensors.take<int64_t>();
  params.log_prob = tensors.take<scalar_t>();
  params.entropy = tensors.take<scalar_t>();
  params.probs = tensors.take<scalar_t>();
  for (scalar_t** output :
       {&params.grad_keys, &params.grad_query, &params.grad_w_context, &params.grad_v}) {
    *output = tensors.take<scalar_t>();
  }
  return launch_pointer_step_backward(params, nullptr);
}

// sizes: B, M, F.
template <typename scalar_t>
int set_features(const int64_t* sizes, void* const* pointers, const int64_t*) {
  Tensors tensors = {pointers};
  SetParams<scalar_t> params = {};
  params.batch = static_cast<int>(sizes[0]);
  params.num_candidates = static_cast<int>(sizes[1]);
  params.num_features = static_cast<int>(sizes[2]);
  params.values = tensors.take<scalar_t>();
  params.mask = tensors.take<bool>();
  params.mean = tensors.take<scalar_t>();
  params.deviation = tensors.take<scalar_t>();
  params.out = tensors.take<scalar_t>();
  return launch_set_features(params, nullptr);
}

}  // namespace
}  // namespace gerank::cuda

// 0, or what a launch would return; then shim_error() says why.
#define GERANK_EXPOSE(op)                                                             \
  extern "C" int shim_##op(int is_double, const int64_t* sizes, void* const* tensors, \
                           const int64_t* plan) {                                     \
    return is_double ? gerank::cuda::op<double>(sizes, tensors, plan)                 \
                     : gerank::cuda::op<float>(sizes, tensors, plan);                 \
  }

GERANK_EXPOSE(decode_slates)
GERANK_EXPOSE(slate_log_prob)
GERANK_EXPOSE(slate_log_prob_backward)
GERANK_EXPOSE(pointer_step)
GERANK_EXPOSE(pointer_step_backward)
GERANK_EXPOSE(set_features)

// The plan for sizes [8] on a device, in the order of DecoderPlan.
extern "C" void shim_plan(const int64_t* sizes, const int64_t* device, int64_t* plan) {
  using namespace gerank::cuda;
  const DecoderPlan made = plan_decoder(decoder_sizes(sizes), limits_of(device), sizeof(float));
  const int64_t numbers[] = {
      made.capacity, made.sequences,       made.blocks,
      made.threads,  made.slates_per_item, made.max_rows,
      made.resident, made.shared_keys,     static_cast<int64_t>(made.shared_bytes)};
  for (const int64_t number : numbers) *plan++ = number;
}

extern "C" void shim_gumbel_noise(const int64_t* words, int64_t count, float* noise) {
  for (int64_t i = 0; i < count; ++i) {
    noise[i] = gerank::cuda::gumbel_noise<float>(static_cast<uint32_t>(words[i]));
  }
}

extern "C" void shim_schedule(uint64_t seed) { shim::set_schedule(seed); }
extern "C" void shim_skip_barrier(const char* site) { shim::skip_barrier(site); }
extern "C" const char* shim_met_barriers() { return shim::met_barriers().c_str(); }
extern "C" const char* shim_error() { return shim::last_error().c_str(); }
