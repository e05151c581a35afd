#include "step_decoder.h"

#include <ATen/Dispatch.h>
#include <ATen/EmptyTensor.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full_like.h>
#include <torch/library.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "../../kernels/instruction_set.h"
#include "../autograd/forward_mode.h"
#include "../checks.h"
#include "blocks.h"
#include "decoder_arguments.h"

namespace gerank::cpu {
namespace {

constexpr const char* kName = "StepDecoder";
constexpr const char* kWithoutTangents =
    "its choices have no derivative: give it tensors without one";

template <typename scalar_t>
class SlotLoopOf final : public SlotLoop {
 public:
  SlotLoopOf(const DecoderArguments& arguments, const at::Tensor& seeds, const at::Tensor& greedy,
             int64_t context_window)
      : inputs_(arguments, context_window),
        seeds_(seeds),
        greedy_(greedy),
        task_{inputs_.view, seeds_.data, greedy_.data} {
    check_values(inputs_.view, kName);
    share_out(inputs_.view.batch);
    for_each_part([&](const Part& part) {
      kernels<scalar_t>().begin_slot_by_slot(task_, part.block, part.memory);
    });
  }

  void begin() override {
    for_each_part([](const Part& part) { kernels<scalar_t>().begin_slate(part.memory); });
  }

  void score(int slot, at::Tensor& logits, at::Tensor& relaxed) override {
    auto* to = logits.mutable_data_ptr<scalar_t>();
    auto* bits = relaxed.mutable_data_ptr<int64_t>();
    for_each_part(
        [&](const Part& part) { kernels<scalar_t>().score_slot(part.memory, slot, to, bits); });
  }

  std::tuple<at::Tensor, at::Tensor> fill(int slot, int slate, const at::Tensor& logits,
                                          const at::Tensor& forced) override {
    at::Tensor choice = at::detail::empty_cpu(forced.sizes(), forced.options());
    at::Tensor log_prob = at::detail::empty_cpu(forced.sizes(), logits.options());
    const SlotFill<scalar_t> filling = {slot,
                                        slate,
                                        logits.const_data_ptr<scalar_t>(),
                                        forced.const_data_ptr<int64_t>(),
                                        choice.mutable_data_ptr<int64_t>(),
                                        log_prob.mutable_data_ptr<scalar_t>()};
    for_each_part([&](const Part& part) { kernels<scalar_t>().fill_slot(part.memory, filling); });
    return {choice, log_prob};
  }

  void note(int slot, const std::tuple<at::Tensor, at::Tensor>& filled, const at::Tensor& relaxed,
            FilledSlots& slots) override {
    note_one<int64_t>(slot, std::get<0>(filled), slots.slates);
    note_one<scalar_t>(slot, std::get<1>(filled), slots.log_prob);
    note_one<int64_t>(slot, relaxed, slots.relaxed);
  }

 private:
  // To column `slot` of `table` [B, N].
  template <typename T>
  static void note_one(int slot, const at::Tensor& values, at::Tensor& table) {
    const auto* from = values.const_data_ptr<T>();
    auto* to = table.mutable_data_ptr<T>() + slot;
    for (int64_t b = 0; b < table.size(0); ++b) to[b * table.size(1)] = from[b];
  }

  // The requests of one thread and their decoder.
  struct Part {
    Block block;
    std::byte* memory;
  };

  // Every slot goes over all requests, so that blocks for the caches' sake would be of no use.
  void share_out(int64_t batch) {
    constexpr int64_t kLeast = 4;  // requests that are worth a thread
    const int64_t threads = std::min<int64_t>(at::get_num_threads(), (batch + kLeast - 1) / kLeast);
    int64_t size = 0;
    std::vector<int64_t> begins;
    for (int64_t i = 0; i < threads; ++i) {
      const int64_t first = batch * i / threads, end = batch * (i + 1) / threads;
      parts_.push_back({{first, end - first}, nullptr});
      begins.push_back(size);
      size += kernels<scalar_t>().slot_by_slot_memory(task_, parts_.back().block);
    }
    memory_.emplace(size);
    for (int64_t i = 0; i < threads; ++i) parts_[i].memory = memory_->get() + begins[i];
  }

  template <typename Work>
  void for_each_part(Work work) {
    at::parallel_for(0, static_cast<int64_t>(parts_.size()), 1, [&](int64_t i, int64_t end) {
      for (; i < end; ++i) work(parts_[i]);
    });
  }

  const DecoderInputs<scalar_t> inputs_;
  const Packed<int64_t> seeds_;
  const Packed<bool> greedy_;
  const SlotBySlotTask<scalar_t> task_;
  std::vector<Part> parts_;
  std::optional<SpareMemory> memory_;
};

// `given` must keep to the rules that `own` [B, M] states: who has -inf there may not take the
// slot, and a pin does.
template <typename scalar_t>
void check_logits(const at::Tensor& own, const at::Tensor& given, const at::Tensor& pins,
                  int64_t slot) {
  constexpr scalar_t kInfinity = std::numeric_limits<scalar_t>::infinity();
  const auto* mine = own.const_data_ptr<scalar_t>();
  const auto* theirs = given.const_data_ptr<scalar_t>();
  for (int64_t i = 0; i < own.numel(); ++i) {
    const int64_t b = i / own.size(1), m = i % own.size(1);
    TORCH_CHECK(theirs[i] < kInfinity, "gerank::", kName, ": logits must be below infinity, got ",
                theirs[i], " for candidate ", m, " at slot ", slot, " of request ", b);
    if (theirs[i] != -kInfinity) {
      TORCH_CHECK(mine[i] != -kInfinity, "gerank::", kName,
                  ": logits must stay -inf where a rule forbids the candidate, got ", theirs[i],
                  " for candidate ", m, " at slot ", slot, " of request ", b);
    } else {
      TORCH_CHECK(pins.const_data_ptr<int64_t>()[b * pins.size(1) + slot] != m, "gerank::", kName,
                  ": logits must leave a pinned candidate in, got -inf for candidate ", m,
                  " at slot ", slot, " of request ", b);
    }
  }
}

// `forced` [B] must be -1 or a candidate that may take the slot; where nobody may it is not looked
// at.
template <typename scalar_t>
void check_forced(const at::Tensor& forced, const at::Tensor& logits, int64_t slot) {
  constexpr scalar_t kInfinity = std::numeric_limits<scalar_t>::infinity();
  const int64_t M = logits.size(1);
  const auto* given = forced.const_data_ptr<int64_t>();
  for (int64_t b = 0; b < forced.size(0); ++b) {
    const auto* row = logits.const_data_ptr<scalar_t>() + b * M;
    if (given[b] == -1 || std::all_of(row, row + M, [](auto x) { return x == -kInfinity; })) {
      continue;
    }
    TORCH_CHECK(given[b] >= 0 && given[b] < M && row[given[b]] != -kInfinity, "gerank::", kName,
                ": forced must be -1 or a candidate that may take the slot, got ", given[b],
                " at slot ", slot, " of request ", b);
  }
}

}  // namespace

StepDecoder::StepDecoder(const at::Tensor& candidates, const at::Tensor& set_vector,
                         const at::Tensor& mask, const at::Tensor& weights,
                         const at::Tensor& attention, const at::Tensor& flags,
                         const at::Tensor& groups, const at::Tensor& pins,
                         const at::Tensor& dedup_keys, const at::Tensor& spacing,
                         const at::Tensor& quotas, const at::Tensor& slots,
                         const at::Tensor& temperature, const at::Tensor& seeds,
                         const at::Tensor& greedy, int64_t context_window) {
  const DecoderArguments arguments = {candidates, set_vector, mask,       weights,    attention,
                                      flags,      groups,     pins,       dedup_keys, spacing,
                                      quotas,     slots,      temperature};
  check_decoding(arguments, seeds, greedy, context_window, kName);
  autograd::no_tangents("gerank::StepDecoder",
                        {{"candidates", candidates},
                         {"set_vector", set_vector},
                         {"weights", weights},
                         {"attention", attention},
                         {"temperature", temperature}},
                        kWithoutTangents);
  TORCH_CHECK(candidates.device().is_cpu(), "gerank::", kName,
              ": candidates must lie on the CPU, got ", candidates.device(),
              "; on a GPU loop over pointer_step");
  pins_ = pins.contiguous();
  logits_ = at::empty({candidates.size(0), candidates.size(1)}, candidates.options());
  relaxed_ = at::detail::empty_cpu(slots.sizes(), slots.options());
  no_forced_ = at::full_like(relaxed_, -1);
  AT_DISPATCH_FLOATING_TYPES(candidates.scalar_type(), kName, [&] {
    loop_ = std::make_unique<SlotLoopOf<scalar_t>>(arguments, seeds, greedy, context_window);
  });
  filled_ = {at::empty_like(pins_), at::empty(pins_.sizes(), candidates.options()),
             at::empty_like(pins_)};
  begin(0);
}

void StepDecoder::begin(int64_t slate) {
  TORCH_CHECK(slate >= 0, "gerank::", kName, ": slate must be at least 0, got ", slate);
  loop_->begin();
  filled_.slates.fill_(-1);
  filled_.log_prob.zero_();
  filled_.relaxed.zero_();
  slate_ = slate;
  slot_ = 0;
  is_scored_ = false;
}

void StepDecoder::score_once() {
  TORCH_CHECK(slot_ < pins_.size(1), "gerank::", kName, ": all ", pins_.size(1),
              " slots are filled; begin() starts another slate");
  if (is_scored_) return;
  loop_->score(static_cast<int>(slot_), logits_, relaxed_);
  is_scored_ = true;
}

at::Tensor StepDecoder::logits() {
  score_once();
  return logits_.clone();
}

at::Tensor StepDecoder::relaxed() {
  score_once();
  return relaxed_.clone();
}

at::Tensor StepDecoder::checked_logits(const std::optional<at::Tensor>& logits) const {
  if (!logits.has_value()) return logits_;
  autograd::no_tangents("gerank::StepDecoder", {{"logits", *logits}}, kWithoutTangents);
  const ArgumentChecker check(kName, logits_, "candidates");
  check.tensor(*logits, "logits", "[B, M]", check.float_dtype(),
               {logits_.size(0), logits_.size(1)});
  const at::Tensor given = logits->contiguous();
  AT_DISPATCH_FLOATING_TYPES(given.scalar_type(), kName,
                             [&] { check_logits<scalar_t>(logits_, given, pins_, slot_); });
  return given;
}

at::Tensor StepDecoder::checked_forced(const std::optional<at::Tensor>& forced,
                                       const at::Tensor& logits) const {
  if (!forced.has_value()) return no_forced_;
  ArgumentChecker(kName, logits_, "candidates")
      .tensor(*forced, "forced", "[B]", at::kLong, {logits_.size(0)});
  const at::Tensor given = forced->contiguous();
  AT_DISPATCH_FLOATING_TYPES(logits.scalar_type(), kName,
                             [&] { check_forced<scalar_t>(given, logits, slot_); });
  return given;
}

std::tuple<at::Tensor, at::Tensor> StepDecoder::step(const std::optional<at::Tensor>& forced,
                                                     const std::optional<at::Tensor>& logits) {
  score_once();
  const at::Tensor by = checked_logits(logits), given = checked_forced(forced, by);
  auto filled = loop_->fill(static_cast<int>(slot_), static_cast<int>(slate_), by, given);
  loop_->note(static_cast<int>(slot_), filled, relaxed_, filled_);
  is_scored_ = false;
  ++slot_;
  return filled;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> StepDecoder::slates() const {
  return {filled_.slates.clone(), filled_.log_prob.clone(), filled_.relaxed.clone()};
}

TORCH_LIBRARY_FRAGMENT(gerank, m) {
  using Given = const at::Tensor&;
  m.class_<StepDecoder>(kName)
      .def(torch::init<Given, Given, Given, Given, Given, Given, Given, Given, Given, Given, Given,
                       Given, Given, Given, Given, int64_t>())
      .def("slot", &StepDecoder::slot)
      .def("begin", &StepDecoder::begin)
      .def("logits", &StepDecoder::logits)
      .def("relaxed", &StepDecoder::relaxed)
      .def("slates", &StepDecoder::slates)
      .def("step", &StepDecoder::step, "",
           {torch::arg("forced") = torch::arg::none(), torch::arg("logits") = torch::arg::none()});
}

}  // namespace gerank::cpu
