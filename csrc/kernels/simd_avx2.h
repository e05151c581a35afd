// Eight floats in an AVX2 register, with FMA: see simd_plain.h for what each member promises.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "exponential.h"

namespace gerank::cpu {
namespace {

struct Avx2 {
  using scalar_t = float;
  using vec = __m256;
  using whole = __m256i;
  static constexpr int kLanes = 8;
  static constexpr int kRows = 6;
  static constexpr int panel(int rows) {
    return rows == 1 ? 8 : rows <= 3 ? 4 : 2;  // rows * panel <= 12 of 16
  }

  static vec set(float x) { return _mm256_set1_ps(x); }
  static vec load(const float* p) { return _mm256_loadu_ps(p); }
  static vec load(const float* p, int64_t n) { return _mm256_maskload_ps(p, first(n)); }
  static void store(float* p, vec x) { _mm256_storeu_ps(p, x); }
  static void store(float* p, vec x, int64_t n) { _mm256_maskstore_ps(p, first(n), x); }

  static vec add(vec a, vec b) { return _mm256_add_ps(a, b); }
  static vec sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
  static vec mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
  static vec sqrt(vec a) { return _mm256_sqrt_ps(a); }
  static vec div(vec a, vec b) { return _mm256_div_ps(a, b); }
  static vec fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
  static vec fnma(vec a, vec b, vec c) { return _mm256_fnmadd_ps(a, b, c); }
  static vec max(vec a, vec b) { return _mm256_max_ps(a, b); }
  static vec min(vec a, vec b) { return _mm256_min_ps(a, b); }
  static vec abs(vec a) { return _mm256_andnot_ps(set(-0.0f), a); }
  static vec zero_below(vec x, vec bound, vec y) {
    return _mm256_and_ps(_mm256_cmp_ps(x, bound, _CMP_GE_OQ), y);
  }
  static whole compare(vec a, vec b) {
    return _mm256_sub_epi32(_mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)),
                            _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_GT_OQ)));
  }
  static whole plus(whole a, whole b) { return _mm256_add_epi32(a, b); }
  static whole minus(whole a, whole b) { return _mm256_sub_epi32(a, b); }
  static vec to_vec(whole a) { return _mm256_cvtepi32_ps(a); }
  static vec choose_equal(vec a, vec b, vec same, vec other) {
    return _mm256_blendv_ps(other, same, _mm256_cmp_ps(a, b, _CMP_EQ_OQ));
  }
  static void order(vec& first, vec& second, vec& first_tag, vec& second_tag) {
    const vec swap = _mm256_cmp_ps(second, first, _CMP_LT_OQ);
    const vec low = _mm256_blendv_ps(first, second, swap);
    const vec low_tag = _mm256_blendv_ps(first_tag, second_tag, swap);
    second = _mm256_blendv_ps(second, first, swap);
    second_tag = _mm256_blendv_ps(second_tag, first_tag, swap);
    first = low;
    first_tag = low_tag;
  }
  static uint32_t equal(vec a, vec b) {
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)));
  }

  static vec exp(vec x) { return polynomial_exp<Avx2>(x); }
  static vec round(vec x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | 0x08); }
  static vec scale(vec y, vec n) {
    const __m256i power = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(y), power));
  }

  static float sum(vec x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
  static void sum4(const vec* x, float* out) {
    const vec all = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
  }
  static float largest(vec x) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
  }

 private:
  static __m256i first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace
}  // namespace gerank::cpu
