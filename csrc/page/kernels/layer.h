// A linear layer of a page model over rows of vectors.
#pragma once

#include <cstdint>

#include "../../kernels/vector_maths.h"

namespace gerank::cpu {
namespace {

// Rows of a matrix, `stride` numbers apart.
template <typename T>
struct Rows {
  T* first;
  int64_t stride;

  T* operator[](int64_t row) const { return first + row * stride; }
};

template <typename S>
struct Layer {
  using T = typename S::scalar_t;

  // The bias lies behind the matrix [inputs, outputs].
  Layer(const T* weights, int64_t inputs, int64_t outputs)
      : weights(weights), inputs(inputs), outputs(outputs) {}

  // out [rows, outputs] = x [rows, inputs] through the layer.
  void operator()(Rows<const T> x, int64_t rows, Rows<T> out) const {
    Product<S>::multiply(x.first, x.stride, rows, inputs, weights, outputs, outputs,
                         weights + inputs * outputs, out.first, out.stride);
  }

  const T* weights;
  int64_t inputs, outputs;
};

// The same with negative numbers replaced by 0.
template <typename S>
void rectify(typename S::scalar_t* x, int64_t size) {
  for_each_vector<S>(size, [&](auto load, auto store) { store(x, S::max(load(x), S::set(0))); });
}

}  // namespace
}  // namespace gerank::cpu
