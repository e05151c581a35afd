// e^x and -ln u in float, without a branch.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "../decode/philox.h"

namespace gerank::cpu {
namespace {

constexpr float kLog2OfE = 1.44269504088896341f;

// x - n ln 2 with ln 2 in two parts, so that nothing of x is lost (Cody-Waite).
template <typename S>
typename S::vec without_powers_of_2(typename S::vec x, typename S::vec n) {
  return S::fnma(n, S::set(-2.12194440e-4f), S::fnma(n, S::set(0.693359375f), x));
}

// Within 2 ulp for x in [-87, 88], and the value at the nearer bound beyond. Reduction to
// |r| <= ln2 / 2, then a polynomial (Cephes).
template <typename S>
typename S::vec polynomial_exp(typename S::vec x) {
  x = S::min(S::max(x, S::set(-87.0f)), S::set(88.0f));
  const auto n = S::round(S::mul(x, S::set(kLog2OfE)));
  const auto r = without_powers_of_2<S>(x, n);
  auto y = S::set(1.9875691500e-4f);
  y = S::fma(y, r, S::set(1.3981999507e-3f));
  y = S::fma(y, r, S::set(8.3334519073e-3f));
  y = S::fma(y, r, S::set(4.1665795894e-2f));
  y = S::fma(y, r, S::set(1.6666665459e-1f));
  y = S::fma(y, r, S::set(5.0000001201e-1f));
  y = S::add(S::fma(S::mul(y, r), r, r), S::set(1.0f));
  return S::scale(y, n);
}

// -ln u of a word's open_uniform: an exponential variable. ln u = e ln 2 + 2 artanh s, where s is
// formed without rounding near u = 1, so that the relative error stays below 1e-6 everywhere.
GERANK_HOST_DEVICE float exponential_noise(uint32_t word, float) {
  const int32_t k = static_cast<int32_t>(word >> 8);
  const bool is_upper = k >= (1 << 23);
  const float lower = (static_cast<float>(k) + 0.5f) * 0x1p-24f;             // u, exact below 1/2
  const float rest = (static_cast<float>((1 << 24) - k) - 0.5f) * 0x1p-24f;  // 1 - u, exact above
  const int32_t bits = std::bit_cast<int32_t>(lower) - 0x3F3504F3;           // of sqrt(1/2)
  const int32_t exponent = bits >> 23;
  const float mantissa = std::bit_cast<float>((bits & 0x7FFFFF) + 0x3F3504F3);  // 0.7 .. 1.4
  const float numerator = is_upper ? -rest : mantissa - 1.0f;
  const float denominator = is_upper ? 2.0f - rest : mantissa + 1.0f;
  const float s = numerator / denominator;  // |s| <= 1/3
  const float t = s * s;
  float series = 1.0f / 15;
  series = series * t + 1.0f / 13;
  series = series * t + 1.0f / 11;
  series = series * t + 1.0f / 9;
  series = series * t + 1.0f / 7;
  series = series * t + 1.0f / 5;
  series = series * t + 1.0f / 3;
  const float log_part = 2.0f * (s + s * (t * series));
  return -(log_part + (is_upper ? 0.0f : static_cast<float>(exponent)) * 0.69314718056f);
}

GERANK_HOST_DEVICE double exponential_noise(uint32_t word, double) {
  return -std::log(open_uniform(word));
}

}  // namespace
}  // namespace gerank::cpu
