#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <tuple>

#include "../checks.h"
#include "decoder.h"
#include "maths.h"

namespace gerank::cpu {
namespace {

template <typename scalar_t>
struct SlateOutputs {
  int64_t* slates;     // [B, G, N]
  scalar_t* log_prob;  // [B, G, N]
  int64_t* relaxed;    // [B, G, N]
};

template <typename Maths>
class SlateDecoder {
 public:
  using scalar_t = typename Maths::scalar_t;

  SlateDecoder(const DecoderInputs<scalar_t>& inputs, const int64_t* seeds, const bool* greedy,
               int64_t num_slates, int64_t context_window, int64_t block,
               const SlateOutputs<scalar_t>& outputs)
      : decoder_(inputs, context_window, block),
        num_slots_(inputs.num_slots),
        num_slates_(num_slates),
        seeds_(seeds),
        greedy_(greedy),
        outputs_(outputs) {}

  void decode(int64_t first, int64_t count) {
    decoder_.load(first, count);
    for (int64_t slate = 0; slate < num_slates_; ++slate) {
      decoder_.begin();
      const int64_t most = decoder_.most_slots();
      for (int slot = 0; slot < most; ++slot) {
        decoder_.advance([](int64_t) { return nullptr; });
        for (int64_t i = 0; i < count; ++i) {
          if (slot < decoder_.request(i).slots) fill(first + i, i, slot, static_cast<int>(slate));
        }
      }
    }
  }

 private:
  void fill(int64_t b, int64_t i, int slot, int slate) {
    const int64_t at = (b * num_slates_ + slate) * num_slots_ + slot;
    const int64_t pin = decoder_.request(i).pins[slot];
    const int choice = pin >= 0 ? static_cast<int>(pin) : choose(b, i, slot, slate, at);
    outputs_.slates[at] = choice;
    decoder_.place(i, slot, choice);
  }

  int choose(int64_t b, int64_t i, int slot, int slate, int64_t at) {
    const auto scored = decoder_.score(i, slot);
    if (scored.size == 0) return -1;
    const auto distribution = decoder_.distribution(i, scored);
    const auto candidate = [&](int j) { return static_cast<int>(scored.candidates[j]); };
    const Draw draw = {static_cast<uint64_t>(seeds_[b]), slot, slate};
    const int picked =
        greedy_[b] ? argmax(scored.logits, scored.size) : sample(distribution, draw, candidate);
    outputs_.log_prob[at] = distribution.log_prob(picked);
    outputs_.relaxed[at] = scored.relaxed;
    return candidate(picked);
  }

  Decoder<Maths> decoder_;
  int64_t num_slots_;
  int64_t num_slates_;
  const int64_t* seeds_;
  const bool* greedy_;
  SlateOutputs<scalar_t> outputs_;
};

std::tuple<at::Tensor, at::Tensor, at::Tensor> decode_slates_cpu(
    const at::Tensor& candidates, const at::Tensor& set_vector, const at::Tensor& mask,
    const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
    const at::Tensor& groups, const at::Tensor& pins, const at::Tensor& dedup_keys,
    const at::Tensor& spacing, const at::Tensor& quotas, const at::Tensor& slots,
    const at::Tensor& temperature, const at::Tensor& seeds, const at::Tensor& greedy,
    int64_t num_slates, int64_t context_window) {
  const DecoderArguments arguments = {candidates, set_vector, mask,       weights,    attention,
                                      flags,      groups,     pins,       dedup_keys, spacing,
                                      quotas,     slots,      temperature};
  check_decode_slates(arguments, seeds, greedy, num_slates, context_window);
  const int64_t B = pins.size(0), N = pins.size(1);
  at::Tensor slates = at::full({B, num_slates, N}, -1, pins.options());
  at::Tensor log_prob = at::zeros({B, num_slates, N}, candidates.options());
  at::Tensor relaxed = at::zeros({B, num_slates, N}, pins.options());
  AT_DISPATCH_FLOATING_TYPES(candidates.scalar_type(), "decode_slates", [&] {
    const DecoderInputs<scalar_t> inputs(arguments);
    check_values(inputs, "decode_slates");
    const Packed<int64_t> seed(seeds);
    const Packed<bool> is_greedy(greedy);
    const SlateOutputs<scalar_t> outputs = {slates.mutable_data_ptr<int64_t>(),
                                            log_prob.mutable_data_ptr<scalar_t>(),
                                            relaxed.mutable_data_ptr<int64_t>()};
    const int64_t block = block_size(B);
    at::parallel_for(0, (B + block - 1) / block, 1, [&](int64_t begin, int64_t end) {
      SlateDecoder<PlainMaths<scalar_t>> decoder(inputs, seed.data, is_greedy.data, num_slates,
                                                 context_window, block, outputs);
      for (int64_t i = begin; i < end; ++i) {
        decoder.decode(i * block, std::min(block, B - i * block));
      }
    });
  });
  return {slates, log_prob, relaxed};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) { m.impl("decode_slates", &decode_slates_cpu); }

}  // namespace gerank::cpu
