#include <torch/library.h>

TORCH_LIBRARY_FRAGMENT(gerank, m) {
  m.def(
      "pointer_step(Tensor keys, Tensor query, Tensor context, Tensor w_context, Tensor v, "
      "Tensor mask, Tensor temperature, Tensor seeds, Tensor greedy, Tensor forced, int slot, "
      "int slate) -> (Tensor choice, Tensor log_prob, Tensor entropy, Tensor probs)",
      {at::Tag::pt2_compliant_tag});
  m.def(
      "pointer_step_backward(Tensor grad_log_prob, Tensor grad_entropy, Tensor keys, Tensor query, "
      "Tensor context, Tensor w_context, Tensor v, Tensor temperature, Tensor choice, "
      "Tensor log_prob, Tensor entropy, Tensor probs) -> (Tensor grad_keys, Tensor grad_query, "
      "Tensor grad_w_context, Tensor grad_v)",
      {at::Tag::pt2_compliant_tag});
}
