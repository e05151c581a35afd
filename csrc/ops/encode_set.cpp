#include <torch/library.h>

TORCH_LIBRARY_FRAGMENT(gerank, m) {
  m.def(
      "encode_set(Tensor candidates, Tensor users, Tensor mask, Tensor weights, SymInt width) -> "
      "(Tensor, Tensor)",
      {at::Tag::pt2_compliant_tag});
}
