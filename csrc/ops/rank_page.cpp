#include <torch/library.h>

TORCH_LIBRARY_FRAGMENT(gerank, m) {
  m.def(
      "rank_page(Tensor page, Tensor user_dense, Tensor user_ids, Tensor candidate_dense, "
      "Tensor candidate_ids, Tensor candidate_mask, Tensor weights, Tensor pins, "
      "Tensor dedup_keys, Tensor spacing, Tensor quotas, Tensor slots, Tensor temperature, "
      "Tensor seeds, Tensor greedy) -> (Tensor slates, Tensor log_prob, Tensor relaxed)",
      {at::Tag::pt2_compliant_tag});
}
