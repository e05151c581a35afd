// Two ops that answer batches as an artifact on a device does, with the CPU as the device.
#include <gerank/model.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/library.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "torchscript/device_generator.h"

namespace {

using Tensors = std::vector<at::Tensor>;

constexpr std::size_t kFields = 14;

gerank::PaddedBatch padded(const at::Tensor* field) {
  gerank::PaddedBatch batch;
  batch.B = field[4].size(0);
  batch.M = field[4].size(1);
  batch.N = field[6].size(1);
  batch.user_dense_width = field[0].size(1);
  batch.user_ids_width = field[1].size(1);
  batch.candidate_dense_width = field[2].size(2);
  batch.candidate_ids_width = field[3].size(2);
  batch.groups = field[8].size(1);
  batch.flags = field[9].size(1);
  batch.utilities = field[5].size(1);
  batch.user_dense = field[0].const_data_ptr<float>();
  batch.user_ids = field[1].const_data_ptr<std::int64_t>();
  batch.candidate_dense = field[2].const_data_ptr<float>();
  batch.candidate_ids = field[3].const_data_ptr<std::int64_t>();
  batch.candidate_mask = field[4].const_data_ptr<bool>();
  batch.weights = field[5].const_data_ptr<float>();
  batch.pins = field[6].const_data_ptr<std::int64_t>();
  batch.dedup_keys = field[7].const_data_ptr<std::int64_t>();
  batch.spacing = field[8].const_data_ptr<std::int64_t>();
  batch.quotas = field[9].const_data_ptr<std::int64_t>();
  batch.slots = field[10].const_data_ptr<std::int64_t>();
  batch.temperature = field[11].const_data_ptr<float>();
  batch.seeds = field[12].const_data_ptr<std::int64_t>();
  batch.greedy = field[13].const_data_ptr<bool>();
  return batch;
}

// Slates, log_prob and relaxed rules of each batch, one batch after another.
Tensors answers(const gerank::Model& model, const Tensors& fields) {
  Tensors found;
  for (std::size_t first = 0; first < fields.size(); first += kFields) {
    const gerank::PaddedBatch batch = padded(&fields[first]);
    const auto numbers = at::TensorOptions(at::kLong);
    at::Tensor slates = at::full({batch.B, batch.N}, -7, numbers);
    at::Tensor log_prob = at::full({batch.B, batch.N}, -7.0, at::TensorOptions(at::kFloat));
    at::Tensor relaxed = at::full({batch.B, batch.N}, -7, numbers);
    const gerank::Status status = model.run(
        batch, {slates.mutable_data_ptr<std::int64_t>(), log_prob.mutable_data_ptr<float>(),
                relaxed.mutable_data_ptr<std::int64_t>()});
    TORCH_CHECK(status.ok(), status.message());
    found.insert(found.end(), {slates, log_prob, relaxed});
  }
  return found;
}

// Every thread answers all batches; the answers of one thread after those of another.
Tensors answers_of_threads(const gerank::Model& model, const Tensors& fields, std::int64_t count) {
  if (count == 1) return answers(model, fields);
  std::vector<Tensors> found(static_cast<std::size_t>(count));
  std::vector<std::thread> threads;
  for (Tensors& own : found) {
    threads.emplace_back([&own, &model, &fields] { own = answers(model, fields); });
  }
  for (std::thread& thread : threads) thread.join();
  Tensors all;
  for (const Tensors& own : found) all.insert(all.end(), own.begin(), own.end());
  return all;
}

Tensors answer_by_script(const std::string& path, Tensors fields, std::int64_t threads) {
  torch::jit::Module module = torch::jit::load(path, c10::Device(at::kCPU));
  module.eval();
  return answers_of_threads(*gerank::device_generator(module, c10::Device(at::kCPU)), fields,
                            threads);
}

Tensors answer_by_page(const at::Tensor& page, Tensors fields, std::int64_t threads) {
  const auto file = std::make_shared<gerank::FileBytes>(page.nbytes());
  std::memcpy(file->data(), page.const_data_ptr(), page.nbytes());
  return answers_of_threads(*gerank::device_generator(file, file->view(), c10::Device(at::kCPU)),
                            fields, threads);
}

std::string rule_of(const std::string& device) { return gerank::device_rule(c10::Device(device)); }

}  // namespace

TORCH_LIBRARY(gerank_test, m) {
  m.def("by_script(str path, Tensor[] fields, int threads) -> Tensor[]", &answer_by_script);
  m.def("by_page(Tensor page, Tensor[] fields, int threads) -> Tensor[]", &answer_by_page);
  m.def("device_rule(str device) -> str", &rule_of);
}
