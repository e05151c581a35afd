// From the logits of one slot to its distribution and to a choice.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "../../decode/philox.h"
#include "maths.h"

namespace gerank::cpu {

// softmax(logits / temperature) over `size` allowed candidates.
template <typename scalar_t>
struct Distribution {
  int size;
  scalar_t log_sum;
  scalar_t entropy;
  scalar_t* scaled;  // [size] (logit - largest) / temperature
  scalar_t* probs;   // [size]

  scalar_t log_prob(int i) const {
    return std::max(scaled[i] - log_sum, std::numeric_limits<scalar_t>::lowest());
  }
};

// `scaled` and `probs` are the memory of the result. `size` is at least 1.
template <typename scalar_t>
Distribution<scalar_t> distribute(const scalar_t* logits, int size, scalar_t temperature,
                                  scalar_t* scaled, scalar_t* probs) {
  constexpr scalar_t kLowest = std::numeric_limits<scalar_t>::lowest();
  constexpr scalar_t kNegligible = -85;  // `exponential` has a floor, a probability has none
  const scalar_t largest = *std::max_element(logits, logits + size);
  // At a tiny temperature the quotient overflows; -inf times a probability of 0 would be NaN.
  for (int i = 0; i < size; ++i) {
    scaled[i] = std::max((logits[i] - largest) / temperature, kLowest);
    probs[i] = scaled[i] < kNegligible ? scalar_t(0) : exponential(scaled[i]);
  }
  scalar_t sum = 0;
  for (int i = 0; i < size; ++i) sum += probs[i];
  Distribution<scalar_t> result = {size, std::log(sum), 0, scaled, probs};
  scalar_t mean = 0;
  for (int i = 0; i < size; ++i) {
    probs[i] /= sum;
    mean += probs[i] > 0 ? probs[i] * scaled[i] : scalar_t(0);
  }
  result.entropy = std::max(result.log_sum - mean, scalar_t(0));
  return result;
}

// The index of the largest logit; ties go to the lowest.
template <typename scalar_t>
int argmax(const scalar_t* logits, int size) {
  return static_cast<int>(std::max_element(logits, logits + size) - logits);
}

// Which draw this is: see candidate_draws.
struct Draw {
  uint64_t seed;
  int slot;
  int slate;
};

// A sample by the Gumbel-max trick (Kool et al., 2019): argmax of logit / temperature + noise, the
// noise of a candidate being its own, whatever else is allowed. `candidate(i)` ascends with i.
template <typename scalar_t, typename Candidate>
int sample(const Distribution<scalar_t>& distribution, const Draw& draw, Candidate candidate) {
  int best = 0;
  double best_score = -std::numeric_limits<double>::infinity();
  int quad = -1;
  PhiloxBlock block = {};
  for (int i = 0; i < distribution.size; ++i) {
    const int m = candidate(i);
    if (m / 4 != quad) block = candidate_draws(draw.seed, quad = m / 4, draw.slot, draw.slate);
    const double noise = -std::log(-std::log(open_uniform(block.lane[m % 4])));
    const double score = static_cast<double>(distribution.scaled[i]) + noise;
    if (score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
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

  void by_logits(int64_t chosen, int64_t size, scalar_t* grad_logits) const {
    double sum = 0;
    for (int64_t m = 0; m < size; ++m) {
      const scalar_t p = probs[m];
      grad_logits[m] = grad_log_prob * ((m == chosen ? scalar_t(1) : scalar_t(0)) - p);
      if (p > 0) grad_logits[m] -= grad_entropy * p * (std::log(p) + entropy);
      sum += static_cast<double>(grad_logits[m]);
    }
    // Shifting all logits changes nothing, so the sum is 0 but for rounding. What is left of it
    // would be multiplied by whatever the candidates have in common, and drown small gradients.
    const scalar_t rest = static_cast<scalar_t>(sum);
    for (int64_t m = 0; m < size; ++m) {
      grad_logits[m] = (grad_logits[m] - rest * probs[m]) / temperature;
    }
  }
};

}  // namespace gerank::cpu
