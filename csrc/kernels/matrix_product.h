// Products of rows with the matrices of a model, whose numbers are float32 or, where the
// instruction set has pairs, packed in bfloat16.
#pragma once

#include <cstdint>

#include "product.h"
#include "tasks.h"

namespace gerank::cpu {
namespace {

// An instruction set whose words hold two numbers in bfloat16: see simd_avx512bf16.h.
template <typename S>
concept HasPairs = requires { typename S::pairs; };

// A matrix, row-major; rows are `stride` numbers, or words, apart.
template <typename T>
struct Matrix {
  const T* values;
  int64_t stride;
  const uint32_t* pairs = nullptr;  // Word [k, j] holds rows 2k and 2k + 1; nullptr: `values` count

  // Columns from `first` on.
  Matrix columns_from(int64_t first) const {
    return {values + first, stride, pairs == nullptr ? nullptr : pairs + first};
  }
  // The matrix of `columns` that begins `offset` numbers behind this one, packed or not as it is.
  Matrix at(int64_t offset, int64_t columns) const {
    return {values + offset, columns, pairs == nullptr ? nullptr : pairs + offset};
  }
  // Rows from `first` on, which is even.
  Matrix rows_from(int64_t first) const {
    return {values + first * stride, stride,
            pairs == nullptr ? nullptr : pairs + first / 2 * stride};
  }
};

// One step multiplies two numbers in bfloat16; sums are float32.
template <typename S>
struct PairStep {
  using element = uint32_t;
  using operand = typename S::pairs;

  static operand set(element x) { return S::set_pairs(x); }
  static operand load(const element* p) { return S::load(p); }
  static operand load(const element* p, int64_t n) { return S::load(p, n); }
  static typename S::vec fma(operand x, operand w, typename S::vec sum) {
    return S::dot(x, w, sum);
  }
};

// The rows become bfloat16 as they enter a product with a packed matrix.
template <typename S>
class MatrixProduct {
 public:
  using T = typename S::scalar_t;

  // For matrices of at most `depth` rows.
  MatrixProduct(int64_t depth, Arena& arena)
      : rounded_(HasPairs<S> ? arena.take<uint32_t>(S::kRows * words(depth)) : nullptr) {}

  // out[r, j] = bias[j] + sum_k x[r, k] * w[k, j]. Rows are ldx, ldo apart; no bias: nullptr.
  void multiply(const T* x, int64_t ldx, int64_t rows, int64_t depth, const Matrix<T>& w,
                int64_t columns, const T* bias, T* out, int64_t ldo) const {
    if constexpr (HasPairs<S>) {
      if (w.pairs != nullptr) {
        in_strips(rows, [&](int64_t first, int64_t count) {
          round(x + first * ldx, ldx, count, depth);
          Product<S, PairStep<S>>::multiply(rounded_, words(depth), count, words(depth), w.pairs,
                                            w.stride, columns, bias, out + first * ldo, ldo);
        });
        return;
      }
    }
    Product<S>::multiply(x, ldx, rows, depth, w.values, w.stride, columns, bias, out, ldo);
  }

  // out[r, j] += sum_k x[r, k] * w[k, j].
  void accumulate(const T* x, int64_t ldx, int64_t rows, int64_t depth, const Matrix<T>& w,
                  int64_t columns, T* out, int64_t ldo) const {
    if constexpr (HasPairs<S>) {
      if (w.pairs != nullptr) {
        in_strips(rows, [&](int64_t first, int64_t count) {
          round(x + first * ldx, ldx, count, depth);
          Product<S, PairStep<S>>::accumulate(rounded_, words(depth), count, words(depth), w.pairs,
                                              w.stride, columns, out + first * ldo, ldo);
        });
        return;
      }
    }
    Product<S>::accumulate(x, ldx, rows, depth, w.values, w.stride, columns, out, ldo);
  }

 private:
  static int64_t words(int64_t depth) { return (depth + 1) / 2; }

  // As Product cuts rows: of nearly equal height.
  template <typename Visit>
  static void in_strips(int64_t rows, Visit visit) {
    const int64_t strips = (rows + S::kRows - 1) / S::kRows;
    int64_t first = 0;
    for (int64_t i = 0; i < strips; ++i) {
      const int64_t end = rows * (i + 1) / strips;
      visit(first, end - first);
      first = end;
    }
  }

  void round(const T* x, int64_t ldx, int64_t rows, int64_t depth) const {
    for (int64_t r = 0; r < rows; ++r)
      S::round_row(x + r * ldx, depth, rounded_ + r * words(depth));
  }

  uint32_t* rounded_;  // [kRows, depth / 2]
};

}  // namespace
}  // namespace gerank::cpu
