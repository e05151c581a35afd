#include "golden.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../batching/padded_buffers.h"
#include "../contract/python_text.h"
#include "refusal.h"

namespace gerank {
namespace {

constexpr double kTolerance = 1e-5;

// At how many slots two answers differ, and how they do at the first; empty where at none.
std::string differing(const std::string& name, const std::int64_t* want, const std::int64_t* got,
                      std::int64_t count) {
  std::int64_t slots = 0, first = 0;
  for (std::int64_t n = count - 1; n >= 0; --n) {
    if (want[n] == got[n]) continue;
    ++slots;
    first = n;
  }
  if (slots == 0) return "";
  return name + " differ at " + std::to_string(slots) + " of " + std::to_string(count) +
         " slots, first at slot " + std::to_string(first) + ": " + std::to_string(got[first]) +
         ", not " + std::to_string(want[first]);
}

std::string off(const float* want, const float* got, std::int64_t count) {
  double largest = 0, error = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    largest = std::max(largest, std::abs(static_cast<double>(want[n])));
    const double here = std::abs(static_cast<double>(want[n]) - static_cast<double>(got[n]));
    if (!(here <= error)) error = here;  // keeps a NaN: nothing is larger
    if (std::isnan(error)) break;
  }
  if (error <= kTolerance * std::max(1.0, largest)) return "";
  return "log_prob is off by " + general(error, 2);
}

// How the answers of N slots behind `at` differ; empty where they do not.
std::string difference_of_one(std::int64_t at, std::int64_t N, const PaddedAnswer& expected,
                              const PaddedAnswer& actual) {
  std::string words = differing("slates", expected.slates + at, actual.slates + at, N);
  if (words.empty()) {
    words = differing("relaxed rules", expected.relaxed + at, actual.relaxed + at, N);
  }
  return words.empty() ? off(expected.log_prob + at, actual.log_prob + at, N) : words;
}

// In one short sentence, however long the slates are.
std::string difference(const PaddedBatch& batch, const PaddedAnswer& expected,
                       const PaddedAnswer& actual) {
  std::int64_t requests = 0;
  std::string first;
  for (std::int64_t b = 0; b < batch.B; ++b) {
    const std::string words = difference_of_one(b * batch.N, batch.N, expected, actual);
    if (words.empty()) continue;
    if (requests++ == 0) first = "golden request " + std::to_string(b) + ": " + words;
  }
  if (requests == 0) return "";
  return first + "; " + std::to_string(requests) + " of " + std::to_string(batch.B) +
         " requests differ";
}

template <typename T>
constexpr GoldenType golden_type() {
  if constexpr (std::is_same_v<T, float>) return GoldenType::kFloat;
  if constexpr (std::is_same_v<T, std::int64_t>) return GoldenType::kInt64;
  if constexpr (std::is_same_v<T, bool>) return GoldenType::kBool;
}

// The numbers of a golden tensor, which must have this type and shape.
template <typename T>
T* values(const GoldenTensors& tensors, const char* name,
          std::initializer_list<std::int64_t> shape) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.type != golden_type<T>() ||
      found->second.shape != std::vector<std::int64_t>(shape)) {
    throw Refusal{"malformed artifact: golden requests lack a sound " +
                  repr(std::string_view(name))};
  }
  return reinterpret_cast<T*>(found->second.values->data());
}

std::int64_t axis(const GoldenTensors& tensors, const char* name, std::size_t dimension) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.shape.size() <= dimension) {
    throw Refusal{"malformed artifact: golden requests lack " + repr(std::string_view(name))};
  }
  return found->second.shape[dimension];
}

PaddedBatch golden_batch(const GoldenTensors& tensors, const Contract& contract) {
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

std::string golden_difference(const GoldenTensors& tensors, const Contract& contract,
                              const Model& model) {
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
