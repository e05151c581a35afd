// Where each matrix lies in the packed arguments `weights` and `attention` of the decode ops. This
// is the one definition of the layout; gerank/ops/packing.py writes it.
#pragma once

#include <cstdint>

#include "host_device.h"

namespace gerank {

// Offsets into `weights` [P], every matrix row-major. `_t` is a transposed matrix: a product reads
// it row by row, one row per element of the vector. `int_t` is symbolic while an op is traced.
template <typename int_t>
struct BasicWeightLayout {
  int_t width;            // D
  int_t attention_width;  // H
  int_t num_flags;        // Q

  GERANK_HOST_DEVICE int_t start() const { return 0; }       // [D]
  GERANK_HOST_DEVICE int_t w_ih_t() const { return width; }  // [D, 3D]
  GERANK_HOST_DEVICE int_t w_hs_t() const {                  // [D, 3D + H]
    return w_ih_t() + width * width * 3;
  }
  GERANK_HOST_DEVICE int_t b_ih() const { return w_hs_t() + width * state_columns(); }  // [3D]
  GERANK_HOST_DEVICE int_t b_hh() const { return b_ih() + width * 3; }                  // [3D]
  GERANK_HOST_DEVICE int_t w_e_t() const { return b_hh() + width * 3; }                 // [D, H]
  GERANK_HOST_DEVICE int_t w_g_t() const {  // [Q + 1, H]
    return w_e_t() + width * attention_width;
  }
  GERANK_HOST_DEVICE int_t size() const {  // P
    return w_g_t() + (num_flags + 1) * attention_width;
  }

  // Columns of w_hs_t: W_hh^T, gates in the order r, z, n of torch.nn.GRUCell, then W_s^T.
  GERANK_HOST_DEVICE int_t state_columns() const { return width * 3 + attention_width; }
};

using WeightLayout = BasicWeightLayout<int64_t>;

// Rows of `attention` [B or 1, C + 3, H], where C = Q + 2K: W_c, one row per feature of the local
// context (Q shares, K seen, K recent), then v, the bias and the scale of W_s h.
struct AttentionLayout {
  int64_t num_flags;   // Q
  int64_t num_groups;  // K

  GERANK_HOST_DEVICE int64_t share(int64_t flag) const { return flag; }
  GERANK_HOST_DEVICE int64_t seen(int64_t key) const { return num_flags + key; }
  GERANK_HOST_DEVICE int64_t recent(int64_t key) const { return num_flags + num_groups + key; }
  GERANK_HOST_DEVICE int64_t v() const { return num_flags + 2 * num_groups; }
  GERANK_HOST_DEVICE int64_t bias() const { return v() + 1; }
  GERANK_HOST_DEVICE int64_t scale() const { return v() + 2; }
  GERANK_HOST_DEVICE int64_t rows() const { return v() + 3; }
};

}  // namespace gerank
