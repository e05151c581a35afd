#include "capacity.h"
#include "decoder.cuh"
#include "distribution.cuh"
#include "params.h"

namespace gerank::cuda {
namespace {

template <typename scalar_t, int kCapacity>
class SlateDecoder {
 public:
  __device__ explicit SlateDecoder(const DecodeParams<scalar_t>& params)
      : params_(params), sizes_(params.decoder.sizes), decoder_(params.decoder) {}

  __device__ void decode(int first) {
    decoder_.load(first);
    for (int pass = 0; pass < params_.decoder.plan.slates_per_item; ++pass) {
      decoder_.begin(pass);
      for_each_sequence([&](int r) { clear(r); });
      const int most = decoder_.most_slots();
      for (int slot = 0; slot < most; ++slot) {
        decoder_.advance([](auto...) {}, [](auto...) {});
        decoder_.score(slot, [&](int r) { return is_asked(r, slot) && pin(r, slot) < 0; });
        for_each_sequence([&](int r) {
          if (is_asked(r, slot)) fill(r, slot);
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
  __device__ int pin(int r, int slot) const {
    return static_cast<int>(decoder_.sequence(r).request.pins[slot]);
  }
  __device__ int64_t row(int r, int slot) const {
    const auto& sequence = decoder_.sequence(r);
    const int64_t slate = static_cast<int64_t>(sequence.index) * sizes_.num_slates + sequence.slate;
    return slate * sizes_.num_slots + slot;
  }

  // An empty slate; that of a request that breaks a promise says so.
  __device__ void clear(int r) const {
    const auto& sequence = decoder_.sequence(r);
    if (sequence.slate >= sizes_.num_slates) return;
    for (int slot = thread_in_warp(); slot < sizes_.num_slots; slot += kWarp) {
      params_.slates[row(r, slot)] = -1;
      params_.log_prob[row(r, slot)] = sequence.valid ? 0 : kNaN<scalar_t>;
      params_.relaxed[row(r, slot)] = 0;
    }
    __syncwarp();
  }

  __device__ void fill(int r, int slot) {
    const int choice = pin(r, slot) >= 0 ? pin(r, slot) : choose(r, slot);
    if (thread_in_warp() == 0) params_.slates[row(r, slot)] = choice;
    decoder_.place(r, slot, choice);
  }

  __device__ int choose(int r, int slot) {
    const auto& sequence = decoder_.sequence(r);
    if (sequence.size == 0) return -1;
    scalar_t* logits = decoder_.logits(r);
    const bool greedy = params_.greedy[sequence.index];
    int picked = greedy ? argmax(logits, sequence.size) : 0;
    const auto distribution = distribute(logits, sequence.size, decoder_.temperature(r));
    if (!greedy) {
      const Draw draw = {static_cast<uint64_t>(params_.seeds[sequence.index]), slot,
                         sequence.slate};
      picked = sample(distribution, sequence.size, draw,
                      [&](int i) { return static_cast<int>(sequence.allowed[i]); });
    }
    if (thread_in_warp() == 0) {
      params_.log_prob[row(r, slot)] = distribution.log_prob(picked);
      params_.relaxed[row(r, slot)] = sequence.relaxed;
    }
    return sequence.allowed[picked];
  }

  const DecodeParams<scalar_t>& params_;
  const DecoderSizes& sizes_;
  Decoder<scalar_t, kCapacity> decoder_;
};

template <typename scalar_t, int kCapacity>
__global__ void __launch_bounds__(256)
    decode_slates_kernel(const __grid_constant__ DecodeParams<scalar_t> params) {
  const DecoderPlan& plan = params.decoder.plan;
  const int items = plan.items(params.decoder.sizes);
  SlateDecoder<scalar_t, kCapacity> decoder(params);
  for (int first = blockIdx.x * plan.sequences; first < items;
       first += gridDim.x * plan.sequences) {
    decoder.decode(first);
  }
}

}  // namespace

template <typename scalar_t>
cudaError_t launch_decode_slates(const DecodeParams<scalar_t>& params, cudaStream_t stream) {
  const DecoderPlan& plan = params.decoder.plan;
  if (plan.items(params.decoder.sizes) == 0) return cudaSuccess;
  return with_capacity<scalar_t>(plan.capacity, [&](auto capacity) {
    return launch(&decode_slates_kernel<scalar_t, decltype(capacity)::value>, params, plan.blocks,
                  plan.threads, plan.shared_bytes, stream);
  });
}

template cudaError_t launch_decode_slates(const DecodeParams<float>&, cudaStream_t);
template cudaError_t launch_decode_slates(const DecodeParams<double>&, cudaStream_t);

}  // namespace gerank::cuda
