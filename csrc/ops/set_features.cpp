#include <torch/library.h>

TORCH_LIBRARY_FRAGMENT(gerank, m) {
  m.def("set_features(Tensor values, Tensor mask, Tensor mean, Tensor deviation) -> Tensor",
        {at::Tag::pt2_compliant_tag});
}
