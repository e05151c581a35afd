#include "batch_tensors.h"

#include <ATen/ops/from_blob.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <initializer_list>

namespace gerank {
namespace {

template <typename T>
at::Tensor view(const T* values, at::ScalarType dtype, std::initializer_list<std::int64_t> shape) {
  // A model reads its arguments only.
  return at::from_blob(const_cast<T*>(values), shape, at::TensorOptions(dtype));
}

}  // namespace

std::vector<at::Tensor> batch_tensors(const PaddedBatch& batch) {
  const auto B = batch.B, M = batch.M, N = batch.N;
  return {view(batch.user_dense, at::kFloat, {B, batch.user_dense_width}),
          view(batch.user_ids, at::kLong, {B, batch.user_ids_width}),
          view(batch.candidate_dense, at::kFloat, {B, M, batch.candidate_dense_width}),
          view(batch.candidate_ids, at::kLong, {B, M, batch.candidate_ids_width}),
          view(batch.candidate_mask, at::kBool, {B, M}),
          view(batch.weights, at::kFloat, {B, batch.utilities}),
          view(batch.pins, at::kLong, {B, N}),
          view(batch.dedup_keys, at::kLong, {B, M}),
          view(batch.spacing, at::kLong, {B, batch.groups, 2}),
          view(batch.quotas, at::kLong, {B, batch.flags, 2}),
          view(batch.slots, at::kLong, {B}),
          view(batch.temperature, at::kFloat, {B}),
          view(batch.seeds, at::kLong, {B}),
          view(batch.greedy, at::kBool, {B})};
}

void check_answer(const at::Tensor& part, const PaddedBatch& batch, at::ScalarType type) {
  TORCH_CHECK(part.sizes() == at::IntArrayRef({batch.B, batch.N}) && part.scalar_type() == type,
              "the generator must answer [B, N] = [", batch.B, ", ", batch.N, "] ", type, ", got ",
              part.sizes(), " ", part.scalar_type());
}

}  // namespace gerank
