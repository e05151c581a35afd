// Monotone maps of upstream scores: gerank.nn.calibration.
#pragma once

#include <cstdint>

#include "page_task.h"

namespace gerank::cpu {
namespace {

// A piecewise linear function through `knots`, that goes on beyond them.
template <typename T>
struct ScoreMap {
  T operator()(T score) const {
    int64_t right = 0;  // the first knot that is not below
    for (int64_t left = size; left > 0;) {
      const int64_t half = left / 2;
      const bool is_below = knots[right + half] < score;
      right = is_below ? right + half + 1 : right;
      left = is_below ? left - half - 1 : half;
    }
    right = right < 1 ? 1 : right > size - 1 ? size - 1 : right;
    const T x0 = knots[right - 1], x1 = knots[right], y0 = values[right - 1], y1 = values[right];
    return y0 + (score - x0) * ((y1 - y0) / (x1 - x0));
  }

  const T* knots;   // [size]
  const T* values;  // [size]
  int64_t size;
};

template <typename T>
ScoreMap<T> score_map(const page::PageModel& model, int64_t index) {
  const int64_t size = model.sizes().knots;
  return {model.section<T>(page::kKnots) + index * size,
          model.section<T>(page::kMapValues) + index * size, size};
}

}  // namespace
}  // namespace gerank::cpu
