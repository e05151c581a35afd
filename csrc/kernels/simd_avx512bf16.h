// AVX-512 with products of bfloat16, for machines with AVX512_BF16: as simd_avx512.h, and with
// words that hold two of them.
#pragma once

#include "simd_avx512.h"

namespace gerank::cpu {
namespace {

struct Avx512Bf16 : Avx512 {
  // Sixteen words. One word holds two neighbours in the depth of a product, the first one in its
  // low half.
  using pairs = __m512i;
  using Avx512::load;
  using Avx512::store;

  static pairs set_pairs(uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
  static pairs load(const uint32_t* p) { return _mm512_loadu_si512(p); }
  static pairs load(const uint32_t* p, int64_t n) { return _mm512_maskz_loadu_epi32(first(n), p); }
  static void store(uint32_t* p, pairs x) { _mm512_storeu_si512(p, x); }
  static void store(uint32_t* p, pairs x, int64_t n) { _mm512_mask_storeu_epi32(p, first(n), x); }

  // The sum and the two products of each lane. Rounds to nearest even after each of them; numbers
  // below the normal ones are 0.
  static vec dot(pairs x, pairs w, vec sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
  }

  // Rounds both to the nearest, ties to even.
  static pairs pack(vec low, vec high) {
    return _mm512_permutexvar_epi16(alternating(), rounded(low, high));
  }

  // [count] numbers as [(count + 1) / 2] words, a 0 behind an odd one.
  static void round_row(const float* x, int64_t count, uint32_t* out) {
    for (; count >= 2 * kLanes; count -= 2 * kLanes, x += 2 * kLanes, out += kLanes) {
      store(out, rounded(load(x), load(x + kLanes)));
    }
    if (count <= 0) return;
    const int64_t low = count < kLanes ? count : kLanes, words = (count + 1) / 2;
    const vec first_half = low < kLanes ? load(x, low) : load(x);
    const vec second_half = count > kLanes ? load(x + kLanes, count - kLanes) : set(0);
    if (words < kLanes) {
      store(out, rounded(first_half, second_half), words);
    } else {
      store(out, rounded(first_half, second_half));
    }
  }

 private:
  // The first sixteen numbers, then the other sixteen.
  static pairs rounded(vec first_half, vec second_half) {
    return reinterpret_cast<pairs>(_mm512_cvtne2ps_pbh(second_half, first_half));
  }
  static __m512i alternating() {  // 0, 16, 1, 17, ...
    const __m512i even = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_or_si512(even,
                           _mm512_slli_epi32(_mm512_add_epi32(even, _mm512_set1_epi32(16)), 16));
  }
};

}  // namespace
}  // namespace gerank::cpu
