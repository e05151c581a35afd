// Sixteen floats in an AVX-512 register: see simd_plain.h for what each member promises.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "exponential.h"

namespace gerank::cpu {
namespace {

struct Avx512 {
  using scalar_t = float;
  using vec = __m512;
  using whole = __m512i;
  static constexpr int kLanes = 16;
  static constexpr int kRows = 6;
  static constexpr int panel(int rows) {
    return rows == 1 ? 16 : rows == 2 ? 8 : 4;  // rows * panel <= 24 of 32
  }

  static vec set(float x) { return _mm512_set1_ps(x); }
  static vec load(const float* p) { return _mm512_loadu_ps(p); }
  static vec load(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
  static void store(float* p, vec x) { _mm512_storeu_ps(p, x); }
  static void store(float* p, vec x, int64_t n) { _mm512_mask_storeu_ps(p, first(n), x); }

  static vec add(vec a, vec b) { return _mm512_add_ps(a, b); }
  static vec sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
  static vec mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
  static vec sqrt(vec a) { return _mm512_sqrt_ps(a); }
  static vec div(vec a, vec b) { return _mm512_div_ps(a, b); }
  static vec fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
  static vec fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }
  static vec max(vec a, vec b) { return _mm512_max_ps(a, b); }
  static vec min(vec a, vec b) { return _mm512_min_ps(a, b); }
  static vec abs(vec a) { return _mm512_abs_ps(a); }
  static vec zero_below(vec x, vec bound, vec y) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, bound, _CMP_GE_OQ), y);
  }
  static whole compare(vec a, vec b) {
    const whole one = _mm512_set1_epi32(1);
    const whole above = _mm512_maskz_mov_epi32(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), one);
    return _mm512_mask_sub_epi32(above, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), above, one);
  }
  static whole plus(whole a, whole b) { return _mm512_add_epi32(a, b); }
  static whole minus(whole a, whole b) { return _mm512_sub_epi32(a, b); }
  static vec to_vec(whole a) { return _mm512_cvtepi32_ps(a); }
  static vec choose_equal(vec a, vec b, vec same, vec other) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), other, same);
  }
  static void order(vec& first, vec& second, vec& first_tag, vec& second_tag) {
    const __mmask16 swap = _mm512_cmp_ps_mask(second, first, _CMP_LT_OQ);
    const vec low = _mm512_mask_blend_ps(swap, first, second);
    const vec low_tag = _mm512_mask_blend_ps(swap, first_tag, second_tag);
    second = _mm512_mask_blend_ps(swap, second, first);
    second_tag = _mm512_mask_blend_ps(swap, second_tag, first_tag);
    first = low;
    first_tag = low_tag;
  }
  static uint32_t equal(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }

  // Within 2 ulp for x in [-87, 88], and the value at the nearer bound beyond. As polynomial_exp,
  // but what is left after whole and sixteenth powers of 2 is so small that a cubic will do.
  static vec exp(vec x) {
    x = min(max(x, set(-87)), set(88));
    // Adding it rounds to sixteenths; the last four bits of the sum count them.
    const vec shift = set(0x1.8p19f);
    const vec shifted = fma(x, set(kLog2OfE), shift), n = sub(shifted, shift);
    const vec r = without_powers_of_2<Avx512>(x, n);
    const vec sixteenth = _mm512_permutexvar_ps(_mm512_castps_si512(shifted), sixteenths());
    const vec rest = mul(fma(fma(r, set(1.0f / 6), set(0.5f)), r, set(1)), r);  // e^r - 1
    return scale(fma(sixteenth, rest, sixteenth), n);
  }
  static vec round(vec x) { return _mm512_roundscale_ps(x, 0x08); }
  static vec scale(vec y, vec n) { return _mm512_scalef_ps(y, n); }  // by 2 to the floor of n

  static float sum(vec x) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
  }
  static void sum4(const vec* x, float* out) {
    const vec ab = add(_mm512_unpacklo_ps(x[0], x[1]), _mm512_unpackhi_ps(x[0], x[1]));
    const vec cd = add(_mm512_unpacklo_ps(x[2], x[3]), _mm512_unpackhi_ps(x[2], x[3]));
    const vec all =
        add(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));  // a b c d, 4 times
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
  }
  static float largest(vec x) { return _mm512_reduce_max_ps(x); }

 protected:
  static __mmask16 first(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }

 private:
  // 2^(i/16).
  static vec sixteenths() {
    return _mm512_setr_ps(1.0f, 1.04427378f, 1.09050773f, 1.13878863f, 1.18920712f, 1.24185781f,
                          1.29683955f, 1.35425555f, 1.41421356f, 1.47682615f, 1.54221083f,
                          1.61049033f, 1.68179283f, 1.75625216f, 1.83400809f, 1.91520656f);
  }
};

}  // namespace
}  // namespace gerank::cpu
