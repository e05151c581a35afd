// From the logits of one slot to its distribution and to a choice.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "exponential.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// `count` rounded up to whole vectors of any instruction set: the size of the buffers below.
constexpr int64_t padded(int64_t count) { return (count + 15) / 16 * 16; }

// softmax(logits / temperature) over `size` allowed candidates, not yet divided by its sum.
template <typename T>
struct Distribution {
  int size;
  T sum;
  T log_sum;
  const T* logits;  // [padded(size)]
  const T* scaled;  // [padded(size)] (logit - largest) / temperature
  const T* powers;  // [padded(size)] e^scaled; 0 behind `size`
  T largest;        // logit

  T log_prob(int i) const {
    const T value = scaled[i] - log_sum;
    return value > std::numeric_limits<T>::lowest() ? value : std::numeric_limits<T>::lowest();
  }
};

// Memory of one distribution and of a draw from it.
template <typename T>
struct DistributionMemory {
  T* logits;           // [padded(M)]
  T* scaled;           // [padded(M)]
  T* powers;           // [padded(M)]
  uint32_t* words;     // [padded(M)] random words of the listed candidates
  uint32_t* draws[4];  // [padded(M / 4)] words of all candidates: draws[m % 4][m / 4]
};

template <typename T>
DistributionMemory<T> distribution_memory(int64_t num_candidates, Arena& arena) {
  DistributionMemory<T> memory = {arena.take<T>(padded(num_candidates)),
                                  arena.take<T>(padded(num_candidates)),
                                  arena.take<T>(padded(num_candidates)),
                                  arena.take<uint32_t>(padded(num_candidates)),
                                  {}};
  for (uint32_t*& draws : memory.draws) {
    draws = arena.take<uint32_t>(padded((num_candidates + 3) / 4));
  }
  return memory;
}

// Makes the distribution of memory.logits [size], size >= 1.
template <typename S>
Distribution<typename S::scalar_t> distribute(
    int size, typename S::scalar_t temperature,
    const DistributionMemory<typename S::scalar_t>& memory) {
  using T = typename S::scalar_t;
  using vec = typename S::vec;
  constexpr T kLowest = std::numeric_limits<T>::lowest();
  constexpr T kNegligible = -85;  // S::exp has a floor, a probability has none
  const int end = static_cast<int>(padded(size));
  for (int i = size; i < end; ++i) memory.logits[i] = kLowest;
  vec most = S::load(memory.logits);
  for (int i = S::kLanes; i < end; i += S::kLanes) most = S::max(most, S::load(memory.logits + i));
  const T largest = S::largest(most);
  vec total = S::set(0);
  // At a tiny temperature the quotient overflows; -inf times a probability of 0 would be NaN.
  for (int i = 0; i < end; i += S::kLanes) {
    const vec shifted = S::sub(S::load(memory.logits + i), S::set(largest));
    const vec scaled = S::max(S::div(shifted, S::set(temperature)), S::set(kLowest));
    const vec power = S::zero_below(scaled, S::set(kNegligible), S::exp(scaled));
    S::store(memory.scaled + i, scaled);
    S::store(memory.powers + i, power);
    total = S::add(total, power);
  }
  const T sum = S::sum(total);
  return {size, sum, std::log(sum), memory.logits, memory.scaled, memory.powers, largest};
}

// probs[i] = p_i, [size]; returns the entropy.
template <typename S>
typename S::scalar_t probabilities(const Distribution<typename S::scalar_t>& distribution,
                                   typename S::scalar_t* probs) {
  using T = typename S::scalar_t;
  using vec = typename S::vec;
  vec mean = S::set(0);
  const vec sum = S::set(distribution.sum);
  for (int i = 0; i < distribution.size; i += S::kLanes) {
    const vec p = S::div(S::load(distribution.powers + i), sum);
    const vec scaled = S::max(S::load(distribution.scaled + i), S::set(-100));  // 0 * -inf
    mean = S::fma(p, scaled, mean);
    S::store(probs + i, p);
  }
  const T entropy = distribution.log_sum - S::sum(mean);
  return entropy > 0 ? entropy : T(0);
}

// What was drawn at a slot: probabilities of all candidates, 0 where not allowed.
template <typename T>
struct DrawnSlot {
  const T* probs;  // [size]
  int64_t size;
  int64_t chosen;  // -1: none
  T entropy;
  T temperature;
};

// The gradient of log_prob and entropy by the logits, [size]. With s = logit / temperature:
// d log p_y / ds_m = [m = y] - p_m, dH / ds_m = -p_m (log p_m + H).
template <typename T>
void gradient_by_logits(const DrawnSlot<T>& slot, T grad_log_prob, T grad_entropy, T* grad_logits) {
  const T* probs = slot.probs;
  for (int64_t m = 0; m < slot.size; ++m) grad_logits[m] = -grad_log_prob * probs[m];
  if (slot.chosen >= 0) grad_logits[slot.chosen] += grad_log_prob;
  for (int64_t m = 0; grad_entropy != 0 && m < slot.size; ++m) {
    if (probs[m] <= 0) continue;
    grad_logits[m] -= grad_entropy * probs[m] * (std::log(probs[m]) + slot.entropy);
  }
  // Shifting all logits changes nothing, so the sum is 0 but for rounding. What is left of it
  // would be multiplied by whatever the candidates have in common, and drown small gradients.
  double sum = 0;
  for (int64_t m = 0; m < slot.size; ++m) sum += static_cast<double>(grad_logits[m]);
  const T rest = static_cast<T>(sum);
  for (int64_t m = 0; m < slot.size; ++m) {
    grad_logits[m] = (grad_logits[m] - rest * probs[m]) / slot.temperature;
  }
}

// The first i < size with x[i] == value, which is there.
template <typename S>
int find_first(const typename S::scalar_t* x, typename S::scalar_t value) {
  for (int i = 0;; i += S::kLanes) {
    const uint32_t found = S::equal(S::load(x + i), S::set(value));
    if (found != 0) return i + __builtin_ctz(found);
  }
}

// The index of the largest logit; ties go to the lowest.
template <typename S>
int argmax(const Distribution<typename S::scalar_t>& distribution) {
  return find_first<S>(distribution.logits, distribution.largest);
}

// Which draw this is: see candidate_draws.
struct Draw {
  uint64_t seed;
  int slot;
  int slate;
};

GERANK_HOST_DEVICE void draw_words(const Draw& draw, int num_candidates, uint32_t* const* draws) {
  uint32_t* __restrict__ first = draws[0];
  uint32_t* __restrict__ second = draws[1];
  uint32_t* __restrict__ third = draws[2];
  uint32_t* __restrict__ fourth = draws[3];
  const int quads = (num_candidates + 3) / 4;
  for (int quad = 0; quad < quads; ++quad) {
    const PhiloxBlock block = candidate_draws(draw.seed, quad, draw.slot, draw.slate);
    first[quad] = block.word[0];
    second[quad] = block.word[1];
    third[quad] = block.word[2];
    fourth[quad] = block.word[3];
  }
}

// A sample by the Gumbel-max trick (Kool et al., 2019) in its other form: the first arrival among
// exponential clocks, argmax of e^scaled / E with E = -ln u. The noise of a candidate is its own,
// whatever else is allowed. `candidates` [size] ascend. The powers are lost.
template <typename S>
int sample(const Distribution<typename S::scalar_t>& distribution, const Draw& draw,
           const int16_t* candidates, int num_candidates,
           const DistributionMemory<typename S::scalar_t>& memory) {
  using T = typename S::scalar_t;
  using vec = typename S::vec;
  draw_words(draw, num_candidates, memory.draws);
  const int size = distribution.size;
  const int end = static_cast<int>(padded(size));
  uint32_t* words = memory.words;
  for (int i = 0; i < size; ++i) words[i] = memory.draws[candidates[i] & 3][candidates[i] >> 2];
  for (int i = size; i < end; ++i) words[i] = 0;
  T* __restrict__ race = memory.powers;  // 0 behind `size`
  for (int i = 0; i < end; ++i) race[i] /= exponential_noise(words[i], T(0));
  vec most = S::load(race);
  for (int i = S::kLanes; i < end; i += S::kLanes) most = S::max(most, S::load(race + i));
  return find_first<S>(race, S::largest(most));
}

}  // namespace
}  // namespace gerank::cpu
