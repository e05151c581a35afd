#include "capacity.h"
#include "decoder.cuh"
#include "distribution.cuh"
#include "params.h"

namespace gerank::cuda {
namespace {

// Walks along given slates.
template <typename scalar_t, int kCapacity>
class Teacher {
 public:
  __device__ explicit Teacher(const TeacherParams<scalar_t>& params)
      : params_(params), sizes_(params.decoder.sizes), decoder_(params.decoder) {}

  __device__ void walk(int first) {
    decoder_.load(first);
    for (int pass = 0; pass < params_.decoder.plan.slates_per_item; ++pass) {
      decoder_.begin(pass);
      for_each_sequence([&](int r) { open(r); });
      __syncthreads();  // slots of sequences whose slate is invalid are 0 now
      const int most = decoder_.most_slots();
      for (int slot = 0; slot < most; ++slot) {
        advance(slot);
        decoder_.score(slot, [&](int r) {
          return is_asked(r, slot) && given(r, slot) >= 0 && pin(r, slot) < 0;
        });
        for_each_sequence([&](int r) {
          if (is_asked(r, slot)) follow(r, slot);
        });
        if (slot + 1 < most) decoder_.feed();
      }
    }
  }

 private:
  // Each of the calling warp's sequences.
  template <typename Visit>
  __device__ void for_each_sequence(Visit visit) {
    for (int r = warp_in_block(); r < decoder_.count(); r += warps_in_block()) visit(r);
  }

  __device__ bool is_asked(int r, int slot) const { return slot < decoder_.sequence(r).slots; }
  __device__ int64_t pin(int r, int slot) const { return decoder_.sequence(r).request.pins[slot]; }
  __device__ int given(int r, int slot) const {
    return static_cast<int>(params_.slates[row(r, slot)]);
  }
  __device__ int64_t slate(int r) const {  // counts through all requests
    const auto& sequence = decoder_.sequence(r);
    return static_cast<int64_t>(sequence.index) * sizes_.num_slates + sequence.slate;
  }
  __device__ int64_t row(int r, int slot) const { return slate(r) * sizes_.num_slots + slot; }

  // Checks the slate and clears what is told of it; the set vector is the state before slot 0.
  __device__ void open(int r) const {
    auto& sequence = decoder_.sequence(r);
    if (sequence.slate >= sizes_.num_slates) return;
    bool named = true;
    for (int slot = thread_in_warp(); slot < sizes_.num_slots; slot += kWarp) {
      const int64_t choice = params_.slates[row(r, slot)];
      named = named && choice >= -1 && choice < sizes_.num_candidates;
    }
    const bool valid = all_of_warp(named) && sequence.valid;
    if (!valid && thread_in_warp() == 0) sequence.slots = 0;
    const scalar_t nothing = valid ? 0 : kNaN<scalar_t>;
    for (int slot = thread_in_warp(); slot < sizes_.num_slots; slot += kWarp) {
      params_.log_prob[row(r, slot)] = params_.entropy[row(r, slot)] = nothing;
    }
    __syncwarp();
    if (params_.hidden == nullptr || !valid) return;
    const int D = sizes_.width;
    scalar_t* hidden = params_.hidden + slate(r) * (sizes_.num_slots + 1) * D;
    const int64_t set_vector = static_cast<int64_t>(sequence.index) * D;
    for (int i = thread_in_warp(); i < D; i += kWarp) {
      hidden[i] = params_.decoder.set_vector[set_vector + i];
    }
  }

  __device__ void advance(int slot) {
    const int D = sizes_.width, H = sizes_.attention_width, N = sizes_.num_slots;
    const bool saves = params_.hidden != nullptr;
    decoder_.advance(
        [&](int r, int i, scalar_t hidden, scalar_t reset, scalar_t update, scalar_t fresh,
            scalar_t state) {
          if (!saves || !is_asked(r, slot)) return;
          scalar_t* gates = params_.gates + row(r, slot) * 4 * D;
          gates[i] = reset;
          gates[D + i] = update;
          gates[2 * D + i] = fresh;
          gates[3 * D + i] = state;
          params_.hidden[(slate(r) * (N + 1) + slot + 1) * D + i] = hidden;
        },
        [&](int r, int i, scalar_t projection) {
          if (saves && is_asked(r, slot)) params_.projection[row(r, slot) * H + i] = projection;
        });
  }

  __device__ void follow(int r, int slot) {
    const int choice = given(r, slot);
    const int64_t pinned = pin(r, slot);
    if (choice >= 0 && pinned < 0) judge(r, slot, choice);
    if (choice >= 0 && pinned >= 0 && choice != pinned && thread_in_warp() == 0) {
      params_.log_prob[row(r, slot)] = -kInfinity<scalar_t>;
    }
    decoder_.place(r, slot, choice);
  }

  __device__ void judge(int r, int slot, int choice) {
    const auto& sequence = decoder_.sequence(r);
    const int64_t at = row(r, slot);
    scalar_t log_prob = -kInfinity<scalar_t>;
    scalar_t entropy = 0;
    if (sequence.size > 0) {
      const auto distribution =
          distribute(decoder_.logits(r), sequence.size, decoder_.temperature(r));
      entropy = entropy_of(distribution, sequence.size);
      const int found = find_listed(choice, sequence.size,
                                    [&](int i) { return static_cast<int>(sequence.allowed[i]); });
      if (found >= 0) log_prob = distribution.log_prob(found);
      save_probs(at, sequence, distribution);
    }
    if (thread_in_warp() != 0) return;
    params_.log_prob[at] = log_prob;
    params_.entropy[at] = entropy;
  }

  __device__ void save_probs(int64_t at, const Sequence<kCapacity>& sequence,
                             const Distribution<scalar_t>& distribution) const {
    if (params_.probs == nullptr) return;
    scalar_t* probs = params_.probs + at * sizes_.num_candidates;
    for (int i = thread_in_warp(); i < sequence.size; i += kWarp) {
      probs[sequence.allowed[i]] = distribution.prob(i);
    }
  }

  const TeacherParams<scalar_t>& params_;
  const DecoderSizes& sizes_;
  Decoder<scalar_t, kCapacity> decoder_;
};

template <typename scalar_t, int kCapacity>
__global__ void __launch_bounds__(256)
    slate_log_prob_kernel(const __grid_constant__ TeacherParams<scalar_t> params) {
  const DecoderPlan& plan = params.decoder.plan;
  const int items = plan.items(params.decoder.sizes);
  Teacher<scalar_t, kCapacity> teacher(params);
  for (int first = blockIdx.x * plan.sequences; first < items;
       first += gridDim.x * plan.sequences) {
    teacher.walk(first);
  }
}

}  // namespace

template <typename scalar_t>
cudaError_t launch_slate_log_prob(const TeacherParams<scalar_t>& params, cudaStream_t stream) {
  const DecoderPlan& plan = params.decoder.plan;
  if (plan.items(params.decoder.sizes) == 0) return cudaSuccess;
  return with_capacity<scalar_t>(plan.capacity, [&](auto capacity) {
    return launch(&slate_log_prob_kernel<scalar_t, decltype(capacity)::value>, params, plan.blocks,
                  plan.threads, plan.shared_bytes, stream);
  });
}

template cudaError_t launch_slate_log_prob(const TeacherParams<float>&, cudaStream_t);
template cudaError_t launch_slate_log_prob(const TeacherParams<double>&, cudaStream_t);

}  // namespace gerank::cuda
