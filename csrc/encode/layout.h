// Where each matrix lies in the packed argument `weights` of encode_set. This is the one definition
// of the layout; gerank/ops/packing.py writes it.
#pragma once

#include <cstdint>

namespace gerank {

// A linear layer: [inputs, outputs] row-major, then its bias [outputs].
template <typename int_t>
struct LinearLayout {
  int_t offset, inputs, outputs;

  int_t bias() const { return offset + inputs * outputs; }
  int_t end() const { return bias() + outputs; }
};

// The layers of DeepSetEncoder one after another. `int_t` is symbolic while an op is traced.
template <typename int_t>
struct BasicEncoderLayout {
  int_t candidate_width;  // X
  int_t user_width;       // U
  int_t width;            // D

  using Linear = LinearLayout<int_t>;

  Linear candidate_side() const { return {0, candidate_width, width}; }
  Linear user_side() const { return {candidate_side().end(), user_width, width}; }
  // Its rows are those of [x_i; x_u; product].
  Linear item_hidden() const {
    return {user_side().end(), candidate_width + user_width + width, width * 2};
  }
  Linear item_out() const { return {item_hidden().end(), width * 2, width}; }
  Linear set_hidden() const { return {item_out().end(), width, width}; }
  Linear set_out() const { return {set_hidden().end(), width, width}; }
  int_t size() const { return set_out().end(); }  // P
};

using EncoderLayout = BasicEncoderLayout<int64_t>;

}  // namespace gerank
