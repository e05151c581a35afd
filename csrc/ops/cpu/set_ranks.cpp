#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../checks.h"

namespace gerank::cpu {
namespace {

constexpr int64_t kTile = 16;  // features that are ranked side by side

// Ranks of one candidate in `width` features: half a point for every candidate below or equal and
// half for every one below, less its own half. Quadratic in M, but one compare per vector of
// features: at M <= 512 faster than sorting.
template <typename scalar_t, int64_t kWidth>
void rank_tile(const scalar_t* features, const std::vector<int64_t>& real, int64_t stride,
               const scalar_t* own, scalar_t* ranks) {
  scalar_t points[kWidth] = {};
  for (const int64_t other : real) {
    const scalar_t* value = features + other * stride;
    for (int64_t f = 0; f < kWidth; ++f) {
      points[f] += value[f] < own[f] ? scalar_t(1) : scalar_t(0);
      points[f] += value[f] == own[f] ? scalar_t(0.5) : scalar_t(0);
    }
  }
  const auto others = static_cast<scalar_t>(real.size() - 1);
  for (int64_t f = 0; f < kWidth; ++f) {
    ranks[f] = real.size() == 1 ? scalar_t(0.5) : (points[f] - scalar_t(0.5)) / others;
  }
}

template <typename scalar_t>
void rank_request(const scalar_t* features, const bool* mask, int64_t M, int64_t F,
                  std::vector<int64_t>& real, scalar_t* ranks) {
  real.clear();
  for (int64_t m = 0; m < M; ++m) {
    if (mask[m]) real.push_back(m);
  }
  std::fill_n(ranks, M * F, scalar_t(0));
  for (const int64_t m : real) {
    const scalar_t* own = features + m * F;
    int64_t f = 0;
    for (; f + kTile <= F; f += kTile) {
      rank_tile<scalar_t, kTile>(features + f, real, F, own + f, ranks + m * F + f);
    }
    for (; f < F; ++f) rank_tile<scalar_t, 1>(features + f, real, F, own + f, ranks + m * F + f);
  }
}

at::Tensor set_ranks_cpu(const at::Tensor& features, const at::Tensor& mask) {
  check_set_ranks(features, mask);
  const at::Tensor values = features.contiguous();
  const at::Tensor real_mask = mask.contiguous();
  at::Tensor ranks = at::empty_like(values);
  const int64_t B = values.size(0), M = values.size(1), F = values.size(2);
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "set_ranks", [&] {
    const scalar_t* from = values.const_data_ptr<scalar_t>();
    const bool* is_real = real_mask.const_data_ptr<bool>();
    scalar_t* to = ranks.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, B, 1, [&](int64_t begin, int64_t end) {
      std::vector<int64_t> real;
      real.reserve(M);
      for (int64_t b = begin; b < end; ++b) {
        rank_request(from + b * M * F, is_real + b * M, M, F, real, to + b * M * F);
      }
    });
  });
  return ranks;
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) { m.impl("set_ranks", &set_ranks_cpu); }

}  // namespace gerank::cpu
