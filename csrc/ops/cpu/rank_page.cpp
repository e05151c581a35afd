#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "../../page/page_model.h"
#include "../rank_page_checks.h"
#include "decoder_arguments.h"

namespace gerank::cpu {
namespace {

// The arguments as the padded batch that a page model answers.
struct PageInputs {
  explicit PageInputs(const PageArguments& arguments)
      : user_dense(arguments.user_dense),
        candidate_dense(arguments.candidate_dense),
        weights(arguments.weights),
        temperature(arguments.temperature),
        user_ids(arguments.user_ids),
        candidate_ids(arguments.candidate_ids),
        pins(arguments.pins),
        dedup_keys(arguments.dedup_keys),
        spacing(arguments.spacing),
        quotas(arguments.quotas),
        slots(arguments.slots),
        seeds(arguments.seeds),
        mask(arguments.candidate_mask),
        greedy(arguments.greedy),
        batch{arguments.pins.size(0),
              arguments.candidate_mask.size(1),
              arguments.pins.size(1),
              arguments.user_dense.size(1),
              arguments.user_ids.size(1),
              arguments.candidate_dense.size(2),
              arguments.candidate_ids.size(2),
              arguments.spacing.size(1),
              arguments.quotas.size(1),
              arguments.weights.size(1),
              user_dense.data,
              user_ids.data,
              candidate_dense.data,
              candidate_ids.data,
              mask.data,
              weights.data,
              pins.data,
              dedup_keys.data,
              spacing.data,
              quotas.data,
              slots.data,
              temperature.data,
              seeds.data,
              greedy.data} {}

  const Packed<float> user_dense, candidate_dense, weights, temperature;
  const Packed<int64_t> user_ids, candidate_ids, pins, dedup_keys, spacing, quotas, slots, seeds;
  const Packed<bool> mask, greedy;
  const PaddedBatch batch;
};

void check_widths(const page::PageHeader& sizes, const PaddedBatch& batch) {
  const struct {
    const char* name;
    int64_t model, given;
  } widths[] = {
      {"user_dense", sizes.user_dense, batch.user_dense_width},
      {"user_ids", sizes.user_ids, batch.user_ids_width},
      {"candidate_dense", sizes.candidate_dense, batch.candidate_dense_width},
      {"candidate_ids", sizes.candidate_ids, batch.candidate_ids_width},
      {"weights", sizes.utilities, batch.utilities},
      {"spacing", sizes.groups, batch.groups},
      {"quotas", sizes.flags, batch.flags},
  };
  for (const auto& [name, model, given] : widths) {
    TORCH_CHECK(model == given, "gerank::rank_page: ", name, " must have the ", model,
                " columns of page, got ", given);
  }
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> rank_page_cpu(
    const at::Tensor& page, const at::Tensor& user_dense, const at::Tensor& user_ids,
    const at::Tensor& candidate_dense, const at::Tensor& candidate_ids,
    const at::Tensor& candidate_mask, const at::Tensor& weights, const at::Tensor& pins,
    const at::Tensor& dedup_keys, const at::Tensor& spacing, const at::Tensor& quotas,
    const at::Tensor& slots, const at::Tensor& temperature, const at::Tensor& seeds,
    const at::Tensor& greedy) {
  const PageArguments arguments = {page,          user_dense,     user_ids, candidate_dense,
                                   candidate_ids, candidate_mask, weights,  pins,
                                   dedup_keys,    spacing,        quotas,   slots,
                                   temperature,   seeds,          greedy};
  check_rank_page(arguments);
  const Packed<float> block(page);
  page::PageModel model;
  const std::string wrong =
      model.look_at(block.data, page.numel() * static_cast<int64_t>(sizeof(float)));
  TORCH_CHECK(wrong.empty(), "gerank::rank_page: page ", wrong);
  const PageInputs inputs(arguments);
  const PaddedBatch& batch = inputs.batch;
  check_widths(model.sizes(), batch);
  const std::string bad = page::PageModel::bad_rules(batch);
  TORCH_CHECK(bad.empty(), "gerank::rank_page: ", bad);
  const std::string unknown = model.unknown_id(batch);
  TORCH_CHECK_INDEX(unknown.empty(), "gerank::rank_page: ", unknown);
  at::Tensor slates = at::empty(pins.sizes(), pins.options());
  at::Tensor log_prob = at::empty(pins.sizes(), temperature.options());
  at::Tensor relaxed = at::empty(pins.sizes(), pins.options());
  const PaddedAnswer answer = {slates.mutable_data_ptr<int64_t>(),
                               log_prob.mutable_data_ptr<float>(),
                               relaxed.mutable_data_ptr<int64_t>()};
  if (batch.B == 0) return {slates, log_prob, relaxed};
  const int64_t size = model.block_size(batch, at::get_num_threads());
  const auto run = [&](int64_t first, int64_t end) {
    model.run(batch, answer, first * size, std::min(end * size, batch.B), size);
  };
  const int64_t blocks = (batch.B + size - 1) / size;
  if (blocks == 1) {
    run(0, 1);
  } else {
    at::parallel_for(0, blocks, 1, run);
  }
  return {slates, log_prob, relaxed};
}

}  // namespace

TORCH_LIBRARY_IMPL(gerank, CPU, m) { m.impl("rank_page", &rank_page_cpu); }

}  // namespace gerank::cpu
