#include "python_model.h"

#include <pybind11/numpy.h>

#include <algorithm>
#include <string>
#include <vector>

#include "signals.h"

namespace py = pybind11;

namespace gerank {
namespace {

// A copy, since Python may keep what it gets.
template <typename T>
py::array array(const T* values, const std::vector<py::ssize_t>& shape) {
  return py::array_t<T>(shape, values);
}

}  // namespace

py::tuple batch_arrays(const PaddedBatch& batch) {
  const py::ssize_t B = batch.B, M = batch.M, N = batch.N;
  return py::make_tuple(array(batch.user_dense, {B, batch.user_dense_width}),
                        array(batch.user_ids, {B, batch.user_ids_width}),
                        array(batch.candidate_dense, {B, M, batch.candidate_dense_width}),
                        array(batch.candidate_ids, {B, M, batch.candidate_ids_width}),
                        array(batch.candidate_mask, {B, M}),
                        array(batch.weights, {B, batch.utilities}), array(batch.pins, {B, N}),
                        array(batch.dedup_keys, {B, M}), array(batch.spacing, {B, batch.groups, 2}),
                        array(batch.quotas, {B, batch.flags, 2}), array(batch.slots, {B}),
                        array(batch.temperature, {B}), array(batch.seeds, {B}),
                        array(batch.greedy, {B}));
}

namespace {

template <typename T>
void copy_out(const py::handle given, const PaddedBatch& batch, T* out) {
  const auto values = py::array_t<T, py::array::c_style | py::array::forcecast>::ensure(given);
  if (!values) throw py::error_already_set();
  if (values.ndim() != 2 || values.shape(0) != batch.B || values.shape(1) != batch.N) {
    throw py::value_error("a model must answer arrays of [B, N]");
  }
  std::copy_n(values.data(), batch.B * batch.N, out);
}

}  // namespace

PythonModel::~PythonModel() {
  if (is_finalizing() && PyGILState_Check() == 0) {
    function_.release();
    return;
  }
  const py::gil_scoped_acquire gil;
  function_ = py::function();
}

Status PythonModel::run(const PaddedBatch& batch, const PaddedAnswer& answer) const {
  if (is_finalizing()) return Status(Code::kUnavailable, "Python is going down");
  const py::gil_scoped_acquire gil;
  try {
    const py::tuple slates = function_(*batch_arrays(batch));
    if (slates.size() != 3) throw py::value_error("a model must answer slates, log_prob, relaxed");
    copy_out(slates[0], batch, answer.slates);
    copy_out(slates[1], batch, answer.log_prob);
    copy_out(slates[2], batch, answer.relaxed);
    return {};
  } catch (const std::exception& error) {  // error_already_set's text needs the GIL
    return Status(Code::kInternal, error.what());
  }
}

}  // namespace gerank
