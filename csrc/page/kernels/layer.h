// A linear layer of a page model over rows of vectors.
#pragma once

#include <cstdint>

#include "../../kernels/matrix_product.h"
#include "../../kernels/vector_maths.h"
#include "page_task.h"

namespace gerank::cpu {
namespace {

// Rows of a matrix, `stride` numbers apart.
template <typename T>
struct Rows {
  T* first;
  int64_t stride;

  T* operator[](int64_t row) const { return first + row * stride; }
};

// The matrix of a section, packed where it is to be multiplied so and the instruction set can.
template <typename S>
Matrix<typename S::scalar_t> section_matrix(const PageTask& task, page::Section which,
                                            int64_t columns) {
  const auto* values = task.model.section<typename S::scalar_t>(which);
  if constexpr (HasPairs<S>) return {values, columns, task.pairs(which)};
  return {values, columns};
}

template <typename S>
struct Layer {
  using T = typename S::scalar_t;

  // The bias lies behind the matrix [inputs, outputs].
  Layer(const PageTask& task, page::Section which, int64_t inputs, int64_t outputs)
      : weights(section_matrix<S>(task, which, outputs)), inputs(inputs), outputs(outputs) {}

  // out [rows, outputs] = x [rows, inputs] through the layer.
  void operator()(const MatrixProduct<S>& product, Rows<const T> x, int64_t rows,
                  Rows<T> out) const {
    product.multiply(x.first, x.stride, rows, inputs, weights, outputs,
                     weights.values + inputs * outputs, out.first, out.stride);
  }

  const Matrix<T> weights;
  int64_t inputs, outputs;
};

// The same with negative numbers replaced by 0.
template <typename S>
void rectify(typename S::scalar_t* x, int64_t size) {
  for_each_vector<S>(size, [&](auto load, auto store) { store(x, S::max(load(x), S::set(0))); });
}

}  // namespace
}  // namespace gerank::cpu
