// Matrix products in register tiles.
//
// Every sum runs over the depth in ascending order, whatever tile it falls into: so an element is
// bitwise the same in any batch.
#pragma once

#include <cstdint>

namespace gerank::cpu {
namespace {

// What one step over the depth of a product multiplies: numbers of the instruction set's own type.
template <typename S>
struct NumberStep {
  using element = typename S::scalar_t;
  using operand = typename S::vec;

  static operand set(element x) { return S::set(x); }
  static operand load(const element* p) { return S::load(p); }
  static operand load(const element* p, int64_t n) { return S::load(p, n); }
  static operand fma(operand x, operand w, operand sum) { return S::fma(x, w, sum); }
};

template <typename S, typename Step = NumberStep<S>>
class Product {
 public:
  using T = typename S::scalar_t;
  using element = typename Step::element;

  // out[r, j] = bias[j] + sum_k x[r, k] * w[k, j]. Rows are ldx, ldw, ldo apart; no bias: nullptr.
  static void multiply(const element* x, int64_t ldx, int64_t rows, int64_t depth, const element* w,
                       int64_t ldw, int64_t columns, const T* bias, T* out, int64_t ldo) {
    Product product{x, ldx, depth, 1, w, ldw, columns, bias, out, ldo, false};
    product.run(rows);
  }

  // out[r, j] += sum_k x[r, k] * w[k, j].
  static void accumulate(const element* x, int64_t ldx, int64_t rows, int64_t depth,
                         const element* w, int64_t ldw, int64_t columns, T* out, int64_t ldo) {
    Product product{x, ldx, depth, 1, w, ldw, columns, nullptr, out, ldo, true};
    product.run(rows);
  }

  // out[r, j] += sum_k x[k, r] * w[k, j]: the gradient of a weight from two factors.
  static void accumulate_transposed(const element* x, int64_t ldx, int64_t rows, int64_t depth,
                                    const element* w, int64_t ldw, int64_t columns, T* out,
                                    int64_t ldo) {
    Product product{x, 1, depth, ldx, w, ldw, columns, nullptr, out, ldo, true};
    product.run(rows);
  }

 private:
  using vec = typename S::vec;
  using operand = typename Step::operand;
  static constexpr int L = S::kLanes;

  Product(const element* x, int64_t row_step, int64_t depth, int64_t depth_step, const element* w,
          int64_t ldw, int64_t columns, const T* bias, T* out, int64_t ldo, bool adds)
      : x_(x),
        row_step_(row_step),
        depth_(depth),
        depth_step_(depth_step),
        w_(w),
        ldw_(ldw),
        columns_(columns),
        bias_(bias),
        out_(out),
        ldo_(ldo),
        adds_(adds) {}

  // In strips of kRows rows or less, of nearly equal height.
  void run(int64_t rows) {
    const int64_t strips = (rows + S::kRows - 1) / S::kRows;
    int64_t first = 0;
    for (int64_t i = 0; i < strips; ++i) {
      const int64_t end = rows * (i + 1) / strips;
      strip(first, end - first);
      first = end;
    }
  }

  void strip(int64_t first, int64_t rows) {
    switch (rows) {
      case 1:
        return panels<1, S::panel(1)>(first, 0);
      case 2:
        return panels<2, S::panel(2)>(first, 0);
      case 3:
        return panels<3, S::panel(3)>(first, 0);
      case 4:
        return panels<4, S::panel(4)>(first, 0);
      case 5:
        return panels<5, S::panel(5)>(first, 0);
      default:
        return panels<6, S::panel(6)>(first, 0);
    }
  }

  template <int kRows, int kVectors>
  void panels(int64_t first, int64_t column) {
    for (; column + kVectors * L <= columns_; column += kVectors * L) {
      tile<kRows, kVectors, false>(first, column);
    }
    if constexpr (kVectors > 1) {
      panels<kRows, kVectors / 2>(first, column);
    } else if (column < columns_) {
      tile<kRows, 1, true>(first, column);
    }
  }

  // kPartial: the one vector is cut off at the last column.
  template <int kRows, int kVectors, bool kPartial>
  void tile(int64_t first, int64_t column) {
    const int64_t rest = columns_ - column;
    vec sum[kRows][kVectors];
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] = S::set(0);
    }
    const element* x = x_ + first * row_step_;
    const element* w = w_ + column;
    for (int64_t k = 0; k < depth_; ++k, x += depth_step_, w += ldw_) {
      operand row[kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) row[v] = read<kPartial, Step>(w + v * L, rest);
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        const operand factor = Step::set(x[r * row_step_]);
#pragma GCC unroll 16
        for (int v = 0; v < kVectors; ++v) sum[r][v] = Step::fma(factor, row[v], sum[r][v]);
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      T* out = out_ + (first + r) * ldo_ + column;
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        vec result = sum[r][v];
        if (bias_ != nullptr) {
          result = S::add(result, read<kPartial, S>(bias_ + column + v * L, rest));
        }
        if (adds_) result = S::add(read<kPartial, S>(out + v * L, rest), result);
        if constexpr (kPartial) {
          S::store(out, result, rest);
        } else {
          S::store(out + v * L, result);
        }
      }
    }
  }

  template <bool kPartial, typename Reader, typename value_t>
  static auto read(const value_t* p, int64_t rest) {
    if constexpr (kPartial)
      return Reader::load(p, rest);
    else
      return Reader::load(p);
  }

  const element* x_;
  int64_t row_step_, depth_, depth_step_;
  const element* w_;
  int64_t ldw_, columns_;
  const T* bias_;
  T* out_;
  int64_t ldo_;
  bool adds_;
};

}  // namespace
}  // namespace gerank::cpu
