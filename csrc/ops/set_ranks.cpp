#include <torch/library.h>

TORCH_LIBRARY_FRAGMENT(gerank, m) {
  m.def("set_ranks(Tensor features, Tensor mask) -> Tensor", {at::Tag::pt2_compliant_tag});
}
