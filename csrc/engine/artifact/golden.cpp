#include "golden.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <map>
#include <string_view>
#include <vector>

#include "../batching/padded_buffers.h"
#include "../contract/python_text.h"
#include "archive.h"

namespace gerank {
namespace {

constexpr double kTolerance = 1e-5;

std::string list(const std::int64_t* values, std::int64_t count) {
  std::string out = "[";
  for (std::int64_t i = 0; i < count; ++i) out += (i > 0 ? ", " : "") + std::to_string(values[i]);
  return out + "]";
}

std::string differing(std::int64_t row, const char* name, const std::int64_t* want,
                      const std::int64_t* got, std::int64_t count) {
  if (std::equal(want, want + count, got)) return "";
  return "golden request " + std::to_string(row) + ": " + name + " are " + list(got, count) +
         ", not " + list(want, count);
}

std::string off(std::int64_t row, const float* want, const float* got, std::int64_t count) {
  double largest = 0, error = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    largest = std::max(largest, std::abs(static_cast<double>(want[n])));
    const double here = std::abs(static_cast<double>(want[n]) - static_cast<double>(got[n]));
    if (!(here <= error)) error = here;  // keeps a NaN: nothing is larger
    if (std::isnan(error)) break;
  }
  if (error <= kTolerance * std::max(1.0, largest)) return "";
  return "golden request " + std::to_string(row) + ": log_prob is off by " + general(error, 2);
}

std::string difference(const PaddedBatch& batch, const PaddedAnswer& expected,
                       const PaddedAnswer& actual) {
  for (std::int64_t b = 0; b < batch.B; ++b) {
    const std::int64_t at = b * batch.N;
    std::string words = differing(b, "slates", expected.slates + at, actual.slates + at, batch.N);
    if (words.empty()) {
      words = differing(b, "relaxed", expected.relaxed + at, actual.relaxed + at, batch.N);
    }
    if (words.empty()) words = off(b, expected.log_prob + at, actual.log_prob + at, batch.N);
    if (!words.empty()) return words;
  }
  return "";
}

using Tensors = std::map<std::string, at::Tensor>;

Tensors read_golden(const std::string& content) try {
  Tensors tensors;
  const c10::IValue golden =
      torch::jit::pickle_load(std::vector<char>(content.begin(), content.end()));
  for (const auto& entry : golden.toGenericDict()) {
    tensors.emplace(entry.key().toStringRef(), entry.value().toTensor().contiguous());
  }
  return tensors;
} catch (const std::exception& error) {
  throw Refusal{"malformed artifact: 'extra/golden.pt': " + first_line(error.what())};
}

// The numbers of a golden tensor, which must have this type and shape.
template <typename T>
T* values(const Tensors& tensors, const char* name, std::initializer_list<std::int64_t> shape) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.sizes() != at::IntArrayRef(shape) ||
      found->second.scalar_type() != c10::CppTypeToScalarType<T>::value) {
    throw Refusal{"malformed artifact: golden requests lack a sound " +
                  repr(std::string_view(name))};
  }
  return found->second.data_ptr<T>();
}

std::int64_t axis(const Tensors& tensors, const char* name, std::int64_t dimension) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.dim() <= dimension) {
    throw Refusal{"malformed artifact: golden requests lack " + repr(std::string_view(name))};
  }
  return found->second.size(dimension);
}

PaddedBatch golden_batch(const Tensors& tensors, const Contract& contract) {
  PaddedBatch batch;
  const auto B = batch.B = axis(tensors, "candidate_mask", 0);
  const auto M = batch.M = axis(tensors, "candidate_mask", 1);
  const auto N = batch.N = axis(tensors, "pins", 1);
  set_widths(contract, &batch);
  using Int = std::int64_t;
  batch.user_dense = values<float>(tensors, "user_dense", {B, batch.user_dense_width});
  batch.user_ids = values<Int>(tensors, "user_ids", {B, batch.user_ids_width});
  batch.candidate_dense =
      values<float>(tensors, "candidate_dense", {B, M, batch.candidate_dense_width});
  batch.candidate_ids = values<Int>(tensors, "candidate_ids", {B, M, batch.candidate_ids_width});
  batch.candidate_mask = values<bool>(tensors, "candidate_mask", {B, M});
  batch.weights = values<float>(tensors, "weights", {B, batch.utilities});
  batch.pins = values<Int>(tensors, "pins", {B, N});
  batch.dedup_keys = values<Int>(tensors, "dedup_keys", {B, M});
  batch.spacing = values<Int>(tensors, "spacing", {B, batch.groups, 2});
  batch.quotas = values<Int>(tensors, "quotas", {B, batch.flags, 2});
  batch.slots = values<Int>(tensors, "slots", {B});
  batch.temperature = values<float>(tensors, "temperature", {B});
  batch.seeds = values<Int>(tensors, "seeds", {B});
  batch.greedy = values<bool>(tensors, "greedy", {B});
  return batch;
}

}  // namespace

std::string golden_difference(const std::string& golden, const Contract& contract,
                              const Model& model) {
  const Tensors tensors = read_golden(golden);
  const PaddedBatch batch = golden_batch(tensors, contract);
  const auto B = batch.B, N = batch.N;
  const PaddedAnswer expected{values<std::int64_t>(tensors, "slates", {B, N}),
                              values<float>(tensors, "log_prob", {B, N}),
                              values<std::int64_t>(tensors, "relaxed", {B, N})};
  const auto places = static_cast<std::size_t>(B * N);
  std::vector<std::int64_t> slates(places), relaxed(places);
  std::vector<float> log_prob(places);
  const PaddedAnswer actual{slates.data(), log_prob.data(), relaxed.data()};
  const Status status = model.run(batch, actual);
  return status ? difference(batch, expected, actual) : "golden requests fail: " + status.message();
}

}  // namespace gerank
