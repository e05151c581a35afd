// A decode that is taken slot by slot, as the torch class `torch.classes.gerank.StepDecoder`.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>

namespace gerank::cpu {

// What was chosen so far, as decode_slates tells it: [B, N] each.
struct FilledSlots {
  at::Tensor slates, log_prob, relaxed;
};

// The loop over blocks of requests, of one floating dtype.
class SlotLoop {
 public:
  virtual ~SlotLoop() = default;
  virtual void begin() = 0;
  // logits [B, M] and relaxed [B] are filled.
  virtual void score(int slot, at::Tensor& logits, at::Tensor& relaxed) = 0;
  // By `logits` [B, M] and `forced` [B], which are checked; returns choice and log_prob, [B] each.
  virtual std::tuple<at::Tensor, at::Tensor> fill(int slot, int slate, const at::Tensor& logits,
                                                  const at::Tensor& forced) = 0;
  // Notes one slot's choice, log_prob and relaxed rules, [B] each.
  virtual void note(int slot, const std::tuple<at::Tensor, at::Tensor>& filled,
                    const at::Tensor& relaxed, FilledSlots& slots) = 0;
};

// See gerank/ops/step_decoder.py for the contract. Not for several threads at once.
class StepDecoder : public torch::CustomClassHolder {
 public:
  StepDecoder(const at::Tensor& candidates, const at::Tensor& set_vector, const at::Tensor& mask,
              const at::Tensor& weights, const at::Tensor& attention, const at::Tensor& flags,
              const at::Tensor& groups, const at::Tensor& pins, const at::Tensor& dedup_keys,
              const at::Tensor& spacing, const at::Tensor& quotas, const at::Tensor& slots,
              const at::Tensor& temperature, const at::Tensor& seeds, const at::Tensor& greedy,
              int64_t context_window);

  int64_t slot() const { return slot_; }
  void begin(int64_t slate);
  at::Tensor logits();
  at::Tensor relaxed();
  std::tuple<at::Tensor, at::Tensor> step(const std::optional<at::Tensor>& forced,
                                          const std::optional<at::Tensor>& logits);
  std::tuple<at::Tensor, at::Tensor, at::Tensor> slates() const;

 private:
  void score_once();
  at::Tensor checked_forced(const std::optional<at::Tensor>& forced,
                            const at::Tensor& logits) const;
  at::Tensor checked_logits(const std::optional<at::Tensor>& logits) const;

  std::unique_ptr<SlotLoop> loop_;
  at::Tensor pins_;
  at::Tensor logits_;     // [B, M] of the open slot, once it is scored
  at::Tensor relaxed_;    // [B]
  at::Tensor no_forced_;  // [B] -1
  FilledSlots filled_;
  int64_t slate_ = 0;
  int64_t slot_ = 0;
  bool is_scored_ = false;
};

}  // namespace gerank::cpu
