#include <torch/library.h>

// `slate_log_prob_forward` is `slate_log_prob` that also returns what the backward reads: per slot
// the distribution, the GRU's hidden state (entry 0 is the set vector), its gates (r, z, n and the
// recurrent part of n) and W_s h.
TORCH_LIBRARY_FRAGMENT(gerank, m) {
  m.def(
      "slate_log_prob(Tensor candidates, Tensor set_vector, Tensor mask, Tensor weights, "
      "Tensor attention, Tensor flags, Tensor groups, Tensor pins, Tensor dedup_keys, "
      "Tensor spacing, Tensor quotas, Tensor slots, Tensor temperature, Tensor slates, "
      "int context_window) -> (Tensor log_prob, Tensor entropy)",
      {at::Tag::pt2_compliant_tag});
  m.def(
      "slate_log_prob_forward(Tensor candidates, Tensor set_vector, Tensor mask, Tensor weights, "
      "Tensor attention, Tensor flags, Tensor groups, Tensor pins, Tensor dedup_keys, "
      "Tensor spacing, Tensor quotas, Tensor slots, Tensor temperature, Tensor slates, "
      "int context_window) -> (Tensor log_prob, Tensor entropy, Tensor probs, Tensor hidden, "
      "Tensor gates, Tensor projection)",
      {at::Tag::pt2_compliant_tag});
  m.def(
      "slate_log_prob_backward(Tensor grad_log_prob, Tensor grad_entropy, Tensor candidates, "
      "Tensor weights, Tensor attention, Tensor flags, Tensor groups, Tensor slots, "
      "Tensor temperature, Tensor slates, Tensor log_prob, Tensor entropy, Tensor probs, "
      "Tensor hidden, Tensor gates, Tensor projection, int context_window) -> "
      "(Tensor grad_candidates, Tensor grad_set_vector, Tensor grad_weights, "
      "Tensor grad_attention)",
      {at::Tag::pt2_compliant_tag});
}
