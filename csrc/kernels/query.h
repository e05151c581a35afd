// The part of a slot's score that does not depend on the candidate's vector.
#pragma once

#include <cstdint>

#include "../decode/weights.h"
#include "context_codes.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

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
template <typename S>
void slot_query(const QueryParameters<typename S::scalar_t>& parameters, const RequestView& request,
                const Prefix& prefix, int slot, const typename S::scalar_t* projection,
                typename S::scalar_t* query) {
  using T = typename S::scalar_t;
  const T* bias = parameters.row(parameters.attention_layout.bias());
  const T* scale = parameters.row(parameters.attention_layout.scale());
  T terms[kMaxFlags + 1];
  for (int s = 0; s <= request.num_flags; ++s) {
    terms[s] = shared_term<T>(prefix, request.num_flags, slot, request.slots, s);
  }
  for_each_vector<S>(parameters.width(), [&](auto load, auto store) {
    auto sum = S::fma(load(scale), load(projection), load(bias));
    const T* row = parameters.w_g(0);
    for (int s = 0; s <= request.num_flags; ++s, row += parameters.width()) {
      sum = S::fma(S::set(terms[s]), load(row), sum);
    }
    store(query, sum);
  });
}

// rows[class] = query + W_c c of the class, [classes, H].
template <typename S>
void class_rows(const QueryParameters<typename S::scalar_t>& parameters, const uint32_t* bits,
                int size, const Prefix& prefix, const typename S::scalar_t* query,
                typename S::scalar_t* rows) {
  using T = typename S::scalar_t;
  const int64_t H = parameters.width();
  for (int c = 0; c < size; ++c) {
    T* row = rows + c * H;
    __builtin_memcpy(row, query, H * sizeof(T));
    for_each_feature<T>(prefix, parameters.attention_layout, bits[c],
                        [&](int64_t feature, T value) {
                          VectorMaths<S>::add_scaled(parameters.row(feature), value, H, row);
                        });
  }
}

}  // namespace
}  // namespace gerank::cpu
