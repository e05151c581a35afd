// The part of a slot's score that does not depend on the candidate's vector.
#pragma once

#include <algorithm>
#include <cstdint>

#include "../../decode/weights.h"
#include "context_classes.h"

namespace gerank::cpu {

// The packed parameters that a query is made of.
template <typename scalar_t>
struct QueryParameters {
  WeightLayout weight_layout;
  AttentionLayout attention_layout;
  const scalar_t* weights;
  const scalar_t* attention;  // of the request

  int64_t width() const { return weight_layout.attention_width; }
  const scalar_t* row(int64_t index) const { return attention + index * width(); }
  const scalar_t* w_g(int64_t term) const {
    return weights + weight_layout.w_g_t() + term * width();
  }
};

// query = scale * W_s h + W_g g + bias, [H]; `projection` is W_s h.
template <typename Maths, typename scalar_t>
void slot_query(const QueryParameters<scalar_t>& parameters, const RequestView& request,
                const Prefix& prefix, int slot, const scalar_t* projection, scalar_t* query) {
  const int64_t H = parameters.width();
  const scalar_t* bias = parameters.row(parameters.attention_layout.bias());
  const scalar_t* scale = parameters.row(parameters.attention_layout.scale());
  for (int64_t i = 0; i < H; ++i) query[i] = scale[i] * projection[i] + bias[i];
  for (int s = 0; s <= request.num_flags; ++s) {
    const auto term = shared_term<scalar_t>(prefix, request.num_flags, slot, request.slots, s);
    if (term != 0) Maths::add_scaled(parameters.w_g(s), term, H, query);
  }
}

// rows[class] = query + W_c c of the class, [classes, H].
template <typename Maths, typename scalar_t>
void class_rows(const QueryParameters<scalar_t>& parameters, const ContextClasses& classes,
                const Prefix& prefix, const scalar_t* query, scalar_t* rows) {
  const int64_t H = parameters.width();
  for (int c = 0; c < classes.size; ++c) {
    scalar_t* row = rows + c * H;
    std::copy_n(query, H, row);
    for_each_feature<scalar_t>(prefix, parameters.attention_layout, classes.bits[c],
                               [&](int64_t feature, scalar_t value) {
                                 Maths::add_scaled(parameters.row(feature), value, H, row);
                               });
  }
}

}  // namespace gerank::cpu
