#include <cuda_runtime.h>

#include <algorithm>

#include "layout.cuh"
#include "plan.h"

namespace gerank::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMostSequences = 8;  // more would leave no shared memory for keys, and help little
constexpr int kMostRows = 16;      // two flags and a few repeated groups make fewer classes
constexpr int kFewRows = 4;

int divide_up(int64_t a, int64_t b) { return static_cast<int>((a + b - 1) / b); }

int capacity_for(int num_candidates, size_t scalar_bytes) {
  if (scalar_bytes == sizeof(double)) return kMaxCandidates;  // see with_capacity
  return num_candidates <= 32 ? 32 : num_candidates <= 128 ? 128 : kMaxCandidates;
}

template <template <typename, int> class Memory, typename Plan>
size_t bytes_of(const DecoderSizes& sizes, const Plan& plan, size_t scalar_bytes) {
  const auto bytes = [&](auto memory) { return memory.lay_out(sizes, plan, nullptr); };
  if (scalar_bytes == sizeof(double)) return bytes(Memory<double, kMaxCandidates>());
  if (plan.capacity == 32) return bytes(Memory<float, 32>());
  if (plan.capacity == 128) return bytes(Memory<float, 128>());
  return bytes(Memory<float, kMaxCandidates>());
}

// Weights first: they are read at every slot. Then keys, then one scoring pass in place of two.
bool fit_decoder(const DecoderSizes& sizes, size_t limit, size_t scalar_bytes, DecoderPlan& plan) {
  for (const bool resident : {true, false}) {
    for (const bool shared_keys : {true, false}) {
      for (int rows = kMostRows; rows >= kFewRows; rows /= 2) {
        plan.resident = resident;
        plan.shared_keys = shared_keys;
        plan.max_rows = rows;
        plan.shared_bytes = decoder_bytes(sizes, plan, scalar_bytes);
        if (plan.shared_bytes <= limit) return true;
      }
    }
  }
  return false;
}

}  // namespace

size_t decoder_bytes(const DecoderSizes& sizes, const DecoderPlan& plan, size_t scalar_bytes) {
  return bytes_of<DecoderMemory>(sizes, plan, scalar_bytes);
}

size_t gradient_bytes(const DecoderSizes& sizes, const GradientPlan& plan, size_t scalar_bytes) {
  return bytes_of<GradientMemory>(sizes, plan, scalar_bytes);
}

DecoderPlan plan_decoder(const DecoderSizes& sizes, const DeviceLimits& limits,
                         size_t scalar_bytes) {
  DecoderPlan plan = {};
  plan.capacity = capacity_for(sizes.num_candidates, scalar_bytes);
  plan.threads = kThreads;
  // Slates of one request go to different blocks only while there are idle ones.
  const int idle = std::max(1, limits.multiprocessors / std::max(1, sizes.batch));
  plan.slates_per_item = divide_up(sizes.num_slates, std::clamp(idle, 1, sizes.num_slates));
  const int items = plan.items(sizes);
  plan.sequences = std::clamp(divide_up(items, limits.multiprocessors), 1, kMostSequences);
  while (!fit_decoder(sizes, limits.shared_bytes, scalar_bytes, plan)) {
    plan.sequences /= 2;
    if (plan.sequences == 0) return plan;
  }
  // Blocks beyond those that run at once would only copy the weights again.
  const int at_once = std::clamp(static_cast<int>(limits.shared_bytes / plan.shared_bytes), 1, 4);
  plan.blocks = std::min(divide_up(items, plan.sequences), limits.multiprocessors * at_once);
  return plan;
}

GradientPlan plan_gradient(const DecoderSizes& sizes, const DeviceLimits& limits,
                           size_t scalar_bytes) {
  GradientPlan plan = {};
  plan.capacity = capacity_for(sizes.num_candidates, scalar_bytes);
  plan.threads = kThreads;
  plan.blocks = std::min(sizes.batch, limits.multiprocessors * 8);
  const int team = std::min(kThreads, divide_up(std::max(1, sizes.attention_width), 32) * 32);
  for (plan.groups = kThreads / team; plan.groups > 0; plan.groups /= 2) {
    for (plan.max_rows = kMostRows; plan.max_rows >= kFewRows; plan.max_rows /= 2) {
      plan.shared_bytes = gradient_bytes(sizes, plan, scalar_bytes);
      if (plan.shared_bytes <= limits.shared_bytes) return plan;
    }
  }
  return plan;
}

}  // namespace gerank::cuda
