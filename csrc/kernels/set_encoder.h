// encode_set of one request after another: DeepSetEncoder without a copy of its inputs.
#pragma once

#include <cmath>
#include <cstdint>

#include "product.h"
#include "step_task.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

// What the user adds to a layer is computed once per request, not once per candidate. Rows beyond
// the last real candidate are not computed; sums run over the real ones in their order, so that
// neither padding nor the batch changes a bit.
template <typename S>
class SetEncoder {
 public:
  using T = typename S::scalar_t;

  SetEncoder(const EncodeTask<T>& task, Arena& arena)
      : task_(task),
        width_(task.layout.width),
        user_side_(arena.take<T>(width_)),
        user_hidden_(arena.take<T>(2 * width_)),
        product_(arena.take<T>(task.num_candidates * width_)),
        hidden_(arena.take<T>(task.num_candidates * 2 * width_)),
        sum_(arena.take<T>(width_)) {}

  void encode(int64_t b) {
    const int64_t M = task_.num_candidates;
    const bool* mask = task_.mask + b * M;
    T* encoded = task_.encoded + b * M * width_;
    int64_t rows = M;
    while (rows > 0 && !mask[rows - 1]) --rows;
    encode_items(b, rows, encoded);
    const int count = sum_real(mask, encoded);
    encode_whole(count, task_.set_vector + b * width_);
  }

 private:
  using vec = typename S::vec;
  using Linear = LinearLayout<int64_t>;

  // out [rows, outputs] = x [rows, inputs] through the layer.
  void through(const Linear& layer, const T* x, int64_t rows, T* out) const {
    Product<S>::multiply(x, layer.inputs, rows, layer.inputs, weights(layer), layer.outputs,
                         layer.outputs, task_.weights + layer.bias(), out, layer.outputs);
  }

  const T* weights(const Linear& layer, int64_t row = 0) const {
    return task_.weights + layer.offset + row * layer.outputs;
  }

  // e_i = MLP1([x_i; x_u; P x_i * Q x_u]) of the first candidates.
  void encode_items(int64_t b, int64_t rows, T* encoded) {
    const EncoderLayout& layout = task_.layout;
    const int64_t X = layout.candidate_width, U = layout.user_width, H = 2 * width_;
    const T* candidates = task_.candidates + b * task_.num_candidates * X;
    const T* user = task_.users + b * U;
    const Linear item = layout.item_hidden();
    through(layout.user_side(), user, 1, user_side_);
    Product<S>::multiply(user, U, 1, U, weights(item, X), H, H, task_.weights + item.bias(),
                         user_hidden_, H);
    through(layout.candidate_side(), candidates, rows, product_);
    for (int64_t m = 0; m < rows; ++m) {
      T* row = product_ + m * width_;
      for_each_vector<S>(
          width_, [&](auto load, auto store) { store(row, S::mul(load(row), load(user_side_))); });
    }
    Product<S>::multiply(candidates, X, rows, X, weights(item), H, H, user_hidden_, hidden_, H);
    Product<S>::accumulate(product_, width_, rows, width_, weights(item, X + U), H, H, hidden_, H);
    rectify(hidden_, rows * H);
    through(layout.item_out(), hidden_, rows, encoded);
  }

  // Clears padding and adds up the rest; how many that are.
  int sum_real(const bool* mask, T* encoded) {
    __builtin_memset(sum_, 0, width_ * sizeof(T));
    int count = 0;
    for (int64_t m = 0; m < task_.num_candidates; ++m) {
      T* row = encoded + m * width_;
      if (!mask[m]) {
        __builtin_memset(row, 0, width_ * sizeof(T));
        continue;
      }
      ++count;
      VectorMaths<S>::add_scaled(row, 1, width_, sum_);
    }
    return count;
  }

  // e_c = tanh(MLP2(sum_i e_i / sqrt(count))).
  void encode_whole(int count, T* out) {
    const T root = std::sqrt(static_cast<T>(count > 0 ? count : 1));
    for_each_vector<S>(
        width_, [&](auto load, auto store) { store(sum_, S::div(load(sum_), S::set(root))); });
    through(task_.layout.set_hidden(), sum_, 1, user_hidden_);
    rectify(user_hidden_, width_);
    through(task_.layout.set_out(), user_hidden_, 1, out);
    for_each_vector<S>(width_,
                       [&](auto load, auto store) { store(out, VectorMaths<S>::tanh(load(out))); });
  }

  static void rectify(T* x, int64_t size) {
    for_each_vector<S>(size, [&](auto load, auto store) { store(x, S::max(load(x), S::set(0))); });
  }

  const EncodeTask<T>& task_;
  const int64_t width_;  // D
  T* user_side_;         // [D]
  T* user_hidden_;       // [2D] what the user adds to the items' hidden layer; later the set's
  T* product_;           // [M, D]
  T* hidden_;            // [M, 2D]
  T* sum_;               // [D]
};

}  // namespace
}  // namespace gerank::cpu
