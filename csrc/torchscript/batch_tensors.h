// A padded batch as the tensors that a generator takes, and the tensors of its answer.
#pragma once

#include <ATen/core/Tensor.h>
#include <gerank/model.h>

#include <vector>

namespace gerank {

// The fourteen arguments of a generator, in order, as views of the batch's memory.
std::vector<at::Tensor> batch_tensors(const PaddedBatch& batch);

// Throws c10::Error unless a part of an answer is [B, N] of that type.
void check_answer(const at::Tensor& part, const PaddedBatch& batch, at::ScalarType type);

}  // namespace gerank
