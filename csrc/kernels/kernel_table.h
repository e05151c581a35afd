// Instantiates the kernels for one instruction set. Only kernels_*.cpp include this, each compiled
// for its own machine. Everything below is in an unnamed namespace or always inline: were it
// shared, the linker could give the AVX-512 copy of a function to a machine that lacks it.
#pragma once

#include <new>
#include <type_traits>

#include "../page/kernels/page_ranker.h"
#include "kernels.h"
#include "pointer_stepper.h"
#include "set_encoder.h"
#include "set_standing.h"
#include "slate_decoder.h"
#include "slate_gradient.h"
#include "slot_by_slot.h"
#include "teacher.h"

namespace gerank::cpu {
namespace {

template <typename Worker, typename Task>
int64_t memory_of(const Task& task, int64_t block) {
  Arena arena(nullptr);
  Worker worker(task, block, arena);
  return arena.used();
}

template <typename S>
void decode(const DecodeTask<typename S::scalar_t>& task, int64_t block, int64_t first, int64_t end,
            std::byte* memory) {
  Arena arena(memory);
  SlateDecoder<S> decoder(task, block, arena);
  for (; first < end; first += block) {
    decoder.decode({first, end - first < block ? end - first : block});
  }
}

template <typename S>
void walk(const TeacherTask<typename S::scalar_t>& task, int64_t block, int64_t first, int64_t end,
          std::byte* memory) {
  Arena arena(memory);
  Teacher<S> teacher(task, block, arena);
  for (; first < end; first += block) {
    teacher.walk({first, end - first < block ? end - first : block});
  }
}

template <typename S>
void gradient(const GradientTask<typename S::scalar_t>& task, int64_t block, int64_t first,
              int64_t end, std::byte* memory, typename S::scalar_t* grad_weights,
              typename S::scalar_t* grad_attention) {
  Arena arena(memory);
  SlateGradient<S> slate_gradient(task, block, arena);
  for (; first < end; first += block) {
    slate_gradient.add({first, end - first < block ? end - first : block}, grad_weights,
                       grad_attention);
  }
}

template <typename Worker, typename Task>
int64_t step_memory_of(const Task& task) {
  Arena arena(nullptr);
  Worker worker(task, arena);
  return arena.used();
}

// Runs an op whose requests have nothing in common.
template <typename Worker, auto kMethod, typename Task>
void one_by_one(const Task& task, int64_t first, int64_t end, std::byte* memory) {
  Arena arena(memory);
  Worker worker(task, arena);
  for (; first < end; ++first) (worker.*kMethod)(first);
}

// At the beginning of its memory, behind it what it works with.
template <typename S>
SlotBySlot<S>& slot_by_slot(std::byte* memory) {
  return *std::launder(reinterpret_cast<SlotBySlot<S>*>(memory));
}

template <typename S>
int64_t slot_by_slot_memory(const SlotBySlotTask<typename S::scalar_t>& task, Block block) {
  Arena arena(nullptr);
  arena.take<SlotBySlot<S>>(1);
  SlotBySlot<S> worker(task, block, arena);
  return arena.used();
}

template <typename S>
void begin_slot_by_slot(const SlotBySlotTask<typename S::scalar_t>& task, Block block,
                        std::byte* memory) {
  Arena arena(memory);
  auto* worker = new (arena.take<SlotBySlot<S>>(1)) SlotBySlot<S>(task, block, arena);
  worker->load();
}

template <typename S>
void begin_slate(std::byte* memory) {
  slot_by_slot<S>(memory).begin();
}

template <typename S>
void score_slot(std::byte* memory, int slot, typename S::scalar_t* logits, int64_t* relaxed) {
  slot_by_slot<S>(memory).score(slot, logits, relaxed);
}

template <typename S>
void fill_slot(std::byte* memory, const SlotFill<typename S::scalar_t>& fill) {
  slot_by_slot<S>(memory).fill(fill);
}

template <typename S>
void rank_page(const PageTask& task, int64_t block, int64_t first, int64_t end, std::byte* memory) {
  Arena arena(memory);
  PageRanker<S> ranker(task, block, arena);
  for (; first < end; first += block) {
    ranker.rank({first, end - first < block ? end - first : block});
  }
}

template <typename S>
constexpr PageKernels page_kernels() {
  return {&memory_of<PageRanker<S>, PageTask>, &rank_page<S>};
}

template <typename S>
constexpr Kernels<typename S::scalar_t> kernel_table() {
  using scalar_t = typename S::scalar_t;
  Kernels<scalar_t> kernels = {
      &memory_of<SlateDecoder<S>, DecodeTask<scalar_t>>,
      &memory_of<Teacher<S>, TeacherTask<scalar_t>>,
      &memory_of<SlateGradient<S>, GradientTask<scalar_t>>,
      &decode<S>,
      &walk<S>,
      &gradient<S>,
      &slot_by_slot_memory<S>,
      &begin_slot_by_slot<S>,
      &begin_slate<S>,
      &score_slot<S>,
      &fill_slot<S>,
      &step_memory_of<PointerStepper<S>, StepTask<scalar_t>>,
      &step_memory_of<PointerStepGradient<S>, StepGradientTask<scalar_t>>,
      &one_by_one<PointerStepper<S>, &PointerStepper<S>::step, StepTask<scalar_t>>,
      &one_by_one<PointerStepGradient<S>, &PointerStepGradient<S>::add, StepGradientTask<scalar_t>>,
      &step_memory_of<SetStanding<S>, SetTask<scalar_t>>,
      &one_by_one<SetStanding<S>, &SetStanding<S>::describe, SetTask<scalar_t>>,
      &step_memory_of<SetEncoder<S>, EncodeTask<scalar_t>>,
      &one_by_one<SetEncoder<S>, &SetEncoder<S>::encode, EncodeTask<scalar_t>>,
      {}};
  if constexpr (std::is_same_v<scalar_t, float>) kernels.page = page_kernels<S>();
  return kernels;
}

}  // namespace
}  // namespace gerank::cpu
