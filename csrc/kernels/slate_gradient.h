// The backward of the teacher-forced loop for a block of requests: first the scores, slot by slot,
// then the GRU back through time, then the gradients of the shared weights.
//
// The choices are given, so local context and masks are constants, and the GRU's states do not
// depend on the scores: only W_hh is on the way back through time, all other products take every
// slot at once. Buffers are slot-major, [N, sequences, ...].
#pragma once

#include <cmath>
#include <cstdint>

#include "query.h"
#include "score_gradient.h"
#include "tasks.h"
#include "vector_maths.h"

namespace gerank::cpu {
namespace {

template <typename S>
class SlateGradient {
 public:
  using T = typename S::scalar_t;

  SlateGradient(const GradientTask<T>& task, int64_t block, Arena& arena)
      : task_(task),
        weights_(task.weight_layout()),
        layout_(task.attention_layout()),
        block_(block),
        scores_(task, arena) {
    lay_out(arena);
    if (w_hh_ == nullptr) return;
    const T* packed = task.weights;
    transpose(packed + weights_.w_ih_t(), 3 * D(), 3 * D(), w_ih_);
    transpose(packed + weights_.w_hs_t(), weights_.state_columns(), 3 * D(), w_hh_);
    transpose(packed + weights_.w_hs_t() + 3 * D(), weights_.state_columns(), H(), w_s_);
    transpose(packed + weights_.w_e_t(), H(), H(), w_e_);
  }

  // Adds to the gradients of the requests, of the packed weights, and of a shared attention.
  void add(Block block, T* grad_weights, T* grad_attention) {
    grad_ = grad_weights;
    first_ = block.first;
    count_ = block.count;
    const int64_t M = task_.num_candidates;
    const T* candidates = task_.candidates + first_ * M * D();
    Product<S>::multiply(candidates, D(), count_ * M, D(), task_.weights + weights_.w_e_t(), H(),
                         H(), nullptr, keys_, H());
    __builtin_memset(grad_keys_, 0, count_ * M * H() * sizeof(T));
    __builtin_memset(task_.grad_set_vector + first_ * D(), 0, count_ * D() * sizeof(T));
    __builtin_memset(grad_vectors_, 0, count_ * M * D() * sizeof(T));
    for (int64_t slate = 0; slate < task_.num_slates; ++slate) add_slate(slate, grad_attention);
    T* grad_candidates = task_.grad_candidates + first_ * M * D();
    Product<S>::multiply(grad_keys_, H(), count_ * M, H(), w_e_, D(), D(), nullptr, grad_candidates,
                         D());
    VectorMaths<S>::add_scaled(grad_vectors_, T(1), count_ * M * D(), grad_candidates);
    Product<S>::accumulate_transposed(candidates, D(), D(), count_ * M, grad_keys_, H(), H(),
                                      grad_ + weights_.w_e_t(), H());
  }

 private:
  int64_t D() const { return weights_.width; }
  int64_t H() const { return weights_.attention_width; }
  int64_t N() const { return task_.num_slots; }
  int64_t at(int64_t slot, int64_t i) const { return slot * count_ + i; }
  int64_t slate_of(int64_t i, int64_t slate) const {
    return (first_ + i) * task_.num_slates + slate;
  }

  void lay_out(Arena& arena) {
    const int64_t rows = block_ * N(), M = task_.num_candidates;
    w_ih_ = arena.take<T>(3 * D() * D());
    w_hh_ = arena.take<T>(3 * D() * D());
    w_s_ = arena.take<T>(H() * D());
    w_e_ = arena.take<T>(H() * D());
    keys_ = arena.take<T>(block_ * M * H());
    grad_keys_ = arena.take<T>(block_ * M * H());
    grad_vectors_ = arena.take<T>(block_ * M * D());
    hidden_ = arena.take<T>((rows + block_) * D());
    inputs_ = arena.take<T>(rows * D());
    grad_inputs_ = arena.take<T>(rows * D());
    grad_projection_ = arena.take<T>(rows * H());
    grad_hidden_ = arena.take<T>(rows * D());
    grad_input_ = arena.take<T>(rows * 3 * D());
    grad_state_ = arena.take<T>(rows * 3 * D());
    carried_ = arena.take<T>(block_ * D());
    bypass_ = arena.take<T>(block_ * D());
  }

  // [D, columns] with rows ldw apart -> [columns, D].
  void transpose(const T* w, int64_t ldw, int64_t columns, T* out) const {
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t k = 0; k < D(); ++k) out[j * D() + k] = w[k * ldw + j];
    }
  }

  void add_slate(int64_t slate, T* grad_attention) {
    slate_ = slate;
    for (int64_t i = 0; i < count_; ++i) {
      gather(slate, i);
      const int64_t b = first_ + i, M = task_.num_candidates;
      T* own = task_.grad_attention_stride != 0
                   ? task_.grad_attention + b * task_.grad_attention_stride
                   : grad_attention;
      scores_.add(b, slate_of(i, slate), keys_ + i * M * H(), grad_keys_ + i * M * H(), own,
                  grad_ + weights_.w_g_t(), grad_projection_ + i * H(), count_ * H());
    }
    Product<S>::multiply(grad_projection_, H(), count_ * N(), H(), w_s_, D(), D(), nullptr,
                         grad_hidden_, D());
    add_states();
    add_weights();
    Product<S>::multiply(grad_input_, 3 * D(), count_ * N(), 3 * D(), w_ih_, D(), D(), nullptr,
                         grad_inputs_, D());
    for (int64_t i = 0; i < count_; ++i) scatter(slate, i);
  }

  // The candidate that slot `slot` has as its input, -1 for the start vector: the last one placed.
  int64_t input_of(const int64_t* choices, int64_t slot) const {
    int64_t last = slot - 1;
    while (last >= 0 && choices[last] < 0) --last;
    return last < 0 ? -1 : choices[last];
  }

  // h_n and x_n of one slate into the slot-major buffers.
  void gather(int64_t slate, int64_t i) {
    const int64_t row = slate_of(i, slate), M = task_.num_candidates;
    for (int64_t n = 0; n <= N(); ++n) {
      __builtin_memcpy(hidden_ + at(n, i) * D(), task_.hidden + (row * (N() + 1) + n) * D(),
                       D() * sizeof(T));
    }
    const int64_t* choices = task_.slates + row * N();
    for (int64_t n = 0; n < N(); ++n) {
      const int64_t m = input_of(choices, n);
      const T* input = m < 0 ? task_.weights + weights_.start()
                             : task_.candidates + ((first_ + i) * M + m) * D();
      __builtin_memcpy(inputs_ + at(n, i) * D(), input, D() * sizeof(T));
    }
  }

  // dx_n to the candidates and to the start vector.
  void scatter(int64_t slate, int64_t i) {
    const int64_t* choices = task_.slates + slate_of(i, slate) * N();
    const int64_t M = task_.num_candidates;
    for (int64_t n = 0; n < task_.slots[first_ + i]; ++n) {
      const int64_t m = input_of(choices, n);
      T* grad = m < 0 ? grad_ + weights_.start() : grad_vectors_ + (i * M + m) * D();
      VectorMaths<S>::add_scaled(grad_inputs_ + at(n, i) * D(), T(1), D(), grad);
    }
  }

  // Back through time. Behind a slate's end the saved gates are 0, and so is every gradient.
  void add_states() {
    const int64_t size = count_ * D();
    __builtin_memset(bypass_, 0, size * sizeof(T));
    for (int64_t n = N() - 1; n >= 0; --n) {
      T* grad = grad_hidden_ + n * size;
      VectorMaths<S>::add_scaled(bypass_, T(1), size, grad);
      if (n + 1 < N()) {
        through_state(n + 1);
        VectorMaths<S>::add_scaled(carried_, T(1), size, grad);
      }
      for (int64_t i = 0; i < count_; ++i) add_gru(n, i);
    }
    through_state(0);
    T* grad_set_vector = task_.grad_set_vector + first_ * D();
    VectorMaths<S>::add_scaled(bypass_, T(1), size, grad_set_vector);
    VectorMaths<S>::add_scaled(carried_, T(1), size, grad_set_vector);
  }

  // carried = the gradient of h_{n-1} that comes through W_hh.
  void through_state(int64_t n) {
    Product<S>::multiply(grad_state_ + n * count_ * 3 * D(), 3 * D(), count_, 3 * D(), w_hh_, D(),
                         D(), nullptr, carried_, D());
  }

  // Through one GRU step, from dh_n to those of its two products; `bypass_` gets z dh_n.
  void add_gru(int64_t n, int64_t i) {
    const int64_t row = slate_of(i, slate_) * N() + n, width = D();
    const T* gates = task_.gates + row * 4 * width;
    const T* previous = hidden_ + at(n, i) * width;
    const T* grad_hidden = grad_hidden_ + at(n, i) * width;
    T* grad_input = grad_input_ + at(n, i) * 3 * width;
    T* grad_state = grad_state_ + at(n, i) * 3 * width;
    T* bypass = bypass_ + i * width;
    using vec = typename S::vec;
    const vec one = S::set(1);
    for_each_vector<S>(width, [&](auto load, auto store) {
      const vec r = load(gates), z = load(gates + width), tanh = load(gates + 2 * width);
      const vec grad = load(grad_hidden);
      const vec grad_n = S::mul(S::mul(grad, S::sub(one, z)), S::fnma(tanh, tanh, one));
      const vec grad_r = S::mul(S::mul(grad_n, load(gates + 3 * width)), S::mul(r, S::sub(one, r)));
      const vec grad_z =
          S::mul(S::mul(grad, S::sub(load(previous), tanh)), S::mul(z, S::sub(one, z)));
      store(grad_input, grad_r);
      store(grad_state, grad_r);
      store(grad_input + width, grad_z);
      store(grad_state + width, grad_z);
      store(grad_input + 2 * width, grad_n);
      store(grad_state + 2 * width, S::mul(grad_n, r));
      store(bypass, S::mul(grad, z));
    });
  }

  void add_weights() {
    const int64_t rows = count_ * N(), columns = weights_.state_columns();
    T* w_hs = grad_ + weights_.w_hs_t();
    Product<S>::accumulate_transposed(inputs_, D(), D(), rows, grad_input_, 3 * D(), 3 * D(),
                                      grad_ + weights_.w_ih_t(), 3 * D());
    Product<S>::accumulate_transposed(hidden_, D(), D(), rows, grad_state_, 3 * D(), 3 * D(), w_hs,
                                      columns);
    Product<S>::accumulate_transposed(hidden_ + count_ * D(), D(), D(), rows, grad_projection_, H(),
                                      H(), w_hs + 3 * D(), columns);
    for (int64_t r = 0; r < rows; ++r) {
      VectorMaths<S>::add_scaled(grad_input_ + r * 3 * D(), T(1), 3 * D(), grad_ + weights_.b_ih());
      VectorMaths<S>::add_scaled(grad_state_ + r * 3 * D(), T(1), 3 * D(), grad_ + weights_.b_hh());
    }
  }

  const GradientTask<T>& task_;
  const WeightLayout weights_;
  const AttentionLayout layout_;
  const int64_t block_;
  ScoreGradient<S> scores_;
  T* grad_ = nullptr;  // [P]
  int64_t first_ = 0;
  int64_t count_ = 0;
  int64_t slate_ = 0;              // that is worked on
  T *w_ih_, *w_hh_, *w_s_, *w_e_;  // [3D, D], [3D, D], [H, D], [H, D]
  T* keys_;                        // [sequences, M, H]
  T* grad_keys_;                   // [sequences, M, H]
  T* grad_vectors_;                // [sequences, M, D] what reaches e_m as an input of the GRU
  T* hidden_;                      // [N + 1, sequences, D]; row 0: the set vector
  T* inputs_;                      // [N, sequences, D] x_n
  T* grad_inputs_;                 // [N, sequences, D]
  T* grad_projection_;             // [N, sequences, H] of W_s h_n
  T* grad_hidden_;                 // [N, sequences, D] of h_n
  T* grad_input_;                  // [N, sequences, 3D] of W_ih x_n
  T* grad_state_;                  // [N, sequences, 3D] of W_hh h_{n-1}
  T* carried_;                     // [sequences, D]
  T* bypass_;                      // [sequences, D]
};

}  // namespace
}  // namespace gerank::cpu
