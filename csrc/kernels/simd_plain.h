// A vector register in plain C++, for machines without AVX2 and for float64. Every instruction set
// is a struct with these members; vector_maths.h is written in terms of them.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "exponential.h"

namespace gerank::cpu {
namespace {

template <typename T>
struct Plain {
  using scalar_t = T;
  typedef T vec __attribute__((vector_size(16)));
  static constexpr int kLanes = 16 / sizeof(T);

  // A product is computed in tiles of at most kRows rows and panel(rows) vectors: as many sums as
  // the registers hold beside the operands.
  static constexpr int kRows = 6;
  static constexpr int panel(int rows) { return rows == 1 ? 8 : rows <= 3 ? 4 : 2; }

  static vec set(T x) { return x - vec{}; }
  static vec load(const T* p) {
    vec x;
    __builtin_memcpy(&x, p, sizeof(vec));
    return x;
  }
  static void store(T* p, vec x) { __builtin_memcpy(p, &x, sizeof(vec)); }

  // The first n lanes, n < kLanes; the others are 0, or left alone.
  static vec load(const T* p, int64_t n) {
    vec x = {};
    for (int64_t i = 0; i < n; ++i) x[i] = p[i];
    return x;
  }
  static void store(T* p, vec x, int64_t n) {
    for (int64_t i = 0; i < n; ++i) p[i] = x[i];
  }

  static vec add(vec a, vec b) { return a + b; }
  static vec sub(vec a, vec b) { return a - b; }
  static vec mul(vec a, vec b) { return a * b; }
  static vec sqrt(vec a) {
    for (int i = 0; i < kLanes; ++i) a[i] = std::sqrt(a[i]);
    return a;
  }
  static vec div(vec a, vec b) { return a / b; }
  static vec fma(vec a, vec b, vec c) { return a * b + c; }
  static vec fnma(vec a, vec b, vec c) { return c - a * b; }

  // The second operand where either is NaN: so a bound makes a number of anything.
  static vec max(vec a, vec b) { return a > b ? a : b; }
  static vec min(vec a, vec b) { return a < b ? a : b; }
  static vec abs(vec a) { return a < 0 ? -a : a; }
  static vec zero_below(vec x, vec bound, vec y) { return x >= bound ? y : vec{}; }
  // Lanes of whole numbers as wide as those of a vec.
  typedef std::conditional_t<sizeof(T) == 4, int32_t, int64_t> whole
      __attribute__((vector_size(16)));
  static whole compare(vec a, vec b) { return (a < b) - (a > b); }  // 1: a is larger, -1: b is
  static whole plus(whole a, whole b) { return a + b; }
  static whole minus(whole a, whole b) { return a - b; }
  static vec to_vec(whole a) { return __builtin_convertvector(a, vec); }

  static vec choose_equal(vec a, vec b, vec same, vec other) { return a == b ? same : other; }

  // Swaps lanes, and those of the tags with them, where the second is smaller.
  static void order(vec& first, vec& second, vec& first_tag, vec& second_tag) {
    const auto swap = second < first;
    const vec low = swap ? second : first, low_tag = swap ? second_tag : first_tag;
    second = swap ? first : second;
    second_tag = swap ? first_tag : second_tag;
    first = low;
    first_tag = low_tag;
  }

  // Bit i: lane i is equal.
  static uint32_t equal(vec a, vec b) {
    uint32_t bits = 0;
    for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(a[i] == b[i]) << i;
    return bits;
  }

  // 1 / x: an estimate and a Newton step where there is no fast division.

  static vec exp(vec x) {
    if constexpr (std::is_same_v<T, float>) return polynomial_exp<Plain>(x);
    const vec bounded = min(max(x, set(-700)), set(700));
    vec y = {};
    for (int i = 0; i < kLanes; ++i) y[i] = std::exp(bounded[i]);
    return y;
  }
  static vec round(vec x) { return (x + T(12582912)) - T(12582912); }  // 1.5 * 2^23; |x| < 2^22
  static vec scale(vec y, vec n) {                                     // y * 2^n
    typedef int32_t integers __attribute__((vector_size(16)));
    const integers power = __builtin_convertvector(n, integers) << 23;
    return reinterpret_cast<vec>(reinterpret_cast<integers>(y) + power);
  }

  static T sum(vec x) {
    for (int step = kLanes / 2; step > 0; step /= 2) {
      for (int i = 0; i < step; ++i) x[i] += x[i + step];
    }
    return x[0];
  }
  // Four sums at once; the order of additions is the same for each.
  static void sum4(const vec* x, T* out) {
    for (int i = 0; i < 4; ++i) out[i] = sum(x[i]);
  }
  static T largest(vec x) {
    T most = x[0];
    for (int i = 1; i < kLanes; ++i) most = x[i] > most ? x[i] : most;
    return most;
  }
};

}  // namespace
}  // namespace gerank::cpu
