#include <torch/library.h>

TORCH_LIBRARY_FRAGMENT(gerank, m) {
  m.def(
      "decode_slates(Tensor candidates, Tensor set_vector, Tensor mask, Tensor weights, "
      "Tensor attention, Tensor flags, Tensor groups, Tensor pins, Tensor dedup_keys, "
      "Tensor spacing, Tensor quotas, Tensor slots, Tensor temperature, Tensor seeds, "
      "Tensor greedy, int num_slates, int context_window) -> (Tensor slates, Tensor log_prob, "
      "Tensor relaxed)",
      {at::Tag::pt2_compliant_tag});
}
