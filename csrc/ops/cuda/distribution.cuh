// From the logits of one slot to its distribution and to a choice, by one warp.
//
// Thread t of the warp owns the listed candidates t, t + 32, ..., whatever else is in the block: a
// sum has one order. All functions are warp-collective.
#pragma once

#include <cstdint>
#include <limits>

#include "device.cuh"
#include "maths.cuh"

namespace gerank::cuda {

constexpr int kNobody = std::numeric_limits<int>::max();

// softmax(logits / temperature) over `size` listed candidates.
template <typename scalar_t>
struct Distribution {
  const scalar_t* scaled;  // [size] (logit - largest) / temperature
  scalar_t sum;            // of e^scaled
  scalar_t log_sum;

  __device__ scalar_t prob(int i) const { return exponential(scaled[i]) / sum; }
  __device__ scalar_t log_prob(int i) const {
    constexpr scalar_t kLowest = -kMaximum<scalar_t>;
    const scalar_t value = scaled[i] - log_sum;
    return value > kLowest ? value : kLowest;
  }
};

// Replaces the logits [size >= 1] by `scaled` of the result.
template <typename scalar_t>
__device__ Distribution<scalar_t> distribute(scalar_t* logits, int size, scalar_t temperature) {
  constexpr scalar_t kLowest = -kMaximum<scalar_t>;
  scalar_t largest = kLowest;
  for (int i = thread_in_warp(); i < size; i += kWarp) {
    largest = logits[i] > largest ? logits[i] : largest;
  }
  largest = warp_max(largest);
  scalar_t sum = 0;
  for (int i = thread_in_warp(); i < size; i += kWarp) {
    // At a tiny temperature the quotient overflows; -inf times a probability of 0 would be NaN.
    const scalar_t scaled = (logits[i] - largest) / temperature;
    logits[i] = scaled > kLowest ? scaled : kLowest;
    sum += exponential(logits[i]);
  }
  sum = warp_sum(sum);
  __syncwarp();
  return {logits, sum, logarithm(sum)};
}

template <typename scalar_t>
__device__ scalar_t entropy_of(const Distribution<scalar_t>& distribution, int size) {
  scalar_t mean = 0;
  for (int i = thread_in_warp(); i < size; i += kWarp) {
    const scalar_t p = distribution.prob(i);
    if (p > 0) mean += p * distribution.scaled[i];
  }
  const scalar_t entropy = distribution.log_sum - warp_sum(mean);
  return entropy > 0 ? entropy : scalar_t(0);
}

// The index of the largest logit; ties go to the lowest.
template <typename scalar_t>
__device__ int argmax(const scalar_t* logits, int size) {
  scalar_t best = -kInfinity<scalar_t>;
  int index = kNobody;
  for (int i = thread_in_warp(); i < size; i += kWarp) {
    if (logits[i] > best) {
      best = logits[i];
      index = i;
    }
  }
  return warp_argmax(best, index);
}

// Which draw this is: see candidate_draws.
struct Draw {
  uint64_t seed;
  int slot;
  int slate;
};

// A sample by the Gumbel-max trick (Kool et al., 2019). `candidate(i)` ascends with i.
template <typename scalar_t, typename Candidate>
__device__ int sample(const Distribution<scalar_t>& distribution, int size, const Draw& draw,
                      Candidate candidate) {
  scalar_t best = -kInfinity<scalar_t>;
  int index = kNobody;
  for (int i = thread_in_warp(); i < size; i += kWarp) {
    const int m = candidate(i);
    const PhiloxBlock block = candidate_draws(draw.seed, m / 4, draw.slot, draw.slate);
    const scalar_t score = distribution.scaled[i] + gumbel_noise<scalar_t>(block.word[m % 4]);
    if (score > best) {
      best = score;
      index = i;
    }
  }
  return warp_argmax(best, index);
}

// Where `wanted` stands in the list; -1: nowhere.
template <typename Candidate>
__device__ int find_listed(int wanted, int size, Candidate candidate) {
  int found = -1;
  for (int i = thread_in_warp(); i < size; i += kWarp) {
    if (candidate(i) == wanted) found = i;
  }
  return warp_max(found);
}

// The gradient of one slot's log_prob and entropy by its logits, in `grad_logits` [size], from the
// probabilities of all `size` candidates, 0 where not allowed. With s = logit / temperature:
// d log p_y / ds_m = [m = y] - p_m and dH / ds_m = -p_m (log p_m + H).
template <typename scalar_t>
struct SlotGradient {
  const scalar_t* probs;
  scalar_t entropy;
  scalar_t grad_log_prob;
  scalar_t grad_entropy;
  scalar_t temperature;

  __device__ void by_logits(int chosen, int size, scalar_t* grad_logits) const {
    double sum = 0;
    for (int m = thread_in_warp(); m < size; m += kWarp) {
      const scalar_t p = probs[m];
      scalar_t grad = grad_log_prob * ((m == chosen ? scalar_t(1) : scalar_t(0)) - p);
      if (p > 0) grad -= grad_entropy * p * (logarithm(p) + entropy);
      grad_logits[m] = grad;
      sum += static_cast<double>(grad);
    }
    // Shifting all logits changes nothing, so the sum is 0 but for rounding. What is left of it
    // would be multiplied by whatever the candidates have in common, and drown small gradients.
    const scalar_t rest = static_cast<scalar_t>(warp_sum(sum));
    for (int m = thread_in_warp(); m < size; m += kWarp) {
      grad_logits[m] = (grad_logits[m] - rest * probs[m]) / temperature;
    }
    __syncwarp();
  }
};

}  // namespace gerank::cuda
