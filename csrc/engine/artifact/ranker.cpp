#include <gerank/ranker.h>

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "../batching/padded_buffers.h"
#include "../batching/warm_up.h"
#include "../contract/json.h"
#include "artifact.h"
#include "golden.h"
#include "ranker_parts.h"
#include "refusal.h"

namespace gerank {
namespace {

// The members of a manifest that make up its contract, as they are written there.
std::string contract_text(const std::string& manifest) {
  Json document;
  if (!Json::parse(manifest, &document)) return {};
  std::string out;
  for (const char* key : {"features", "groups", "flags", "limits", "weights", "presets"}) {
    const Json* part = document.find(key);
    if (part == nullptr) continue;
    out += (out.empty() ? "{\"" : ", \"") + std::string(key) + "\": ";
    out += part->source;
  }
  return out + "}";
}

std::string_view precision_name(Precision precision) {
  return precision == Precision::kBfloat16 ? "bfloat16" : "float32";
}

}  // namespace

Status ModelOptions::check() const {
  const bool is_cuda = device == Device::kCuda;
  if (is_cuda && implementation == Implementation::kNative) {
    return Status::invalid("device", "'cuda'", "must be cpu where the implementation is native");
  }
  if (precision != Precision::kBfloat16) return {};
  if (implementation == Implementation::kTorchScript) {
    return Status::invalid("precision", "bfloat16",
                           "must be auto or float32 where the implementation is torchscript");
  }
  if (!is_cuda) return {};
  return Status::invalid("precision", "bfloat16",
                         "must be auto or float32 where the device is cuda");
}

Ranker::Ranker(std::unique_ptr<Parts> parts) noexcept : parts_(std::move(parts)) {}
Ranker::~Ranker() = default;

const Contract& Ranker::contract() const noexcept { return parts_->contract; }
const std::string& Ranker::contract_json() const noexcept { return parts_->contract_json; }
const std::string& Ranker::model_version() const noexcept { return parts_->model_version; }
std::string_view Ranker::implementation() const noexcept { return parts_->implementation; }
std::string_view Ranker::device() const noexcept { return parts_->device; }
std::string_view Ranker::precision() const noexcept { return parts_->precision; }
std::string_view Ranker::wanted_precision() const noexcept { return parts_->wanted_precision; }
const std::string& Ranker::manifest_json() const noexcept { return parts_->manifest_json; }

Status Ranker::load(const std::string& path, std::shared_ptr<const Ranker>* ranker,
                    const ModelOptions& options) noexcept try {
  if (Status status = options.check(); !status) return status;
  Artifact artifact;
  if (Status status = read_artifact(path, options, &artifact); !status) return status;
  auto parts = std::make_unique<Parts>();
  parts->contract = std::move(artifact.contract);
  parts->contract_json = contract_text(artifact.manifest);
  parts->model_version = std::move(artifact.model_version);
  parts->manifest_json = std::move(artifact.manifest);
  parts->implementation =
      artifact.implementation == Implementation::kNative ? "native" : "torchscript";
  parts->device = options.device == Device::kCuda ? "cuda" : "cpu";
  parts->precision = precision_name(artifact.precision);
  parts->wanted_precision = precision_name(artifact.wanted_precision);
  parts->model = std::move(artifact.model);
  ranker->reset(new Ranker(std::move(parts)));
  return {};
} catch (const std::exception& error) {
  return Status(Code::kInternal, path + ": " + error.what());
}

Status Ranker::make(const std::string& contract_json, std::string model_version,
                    std::unique_ptr<const Model> model,
                    std::shared_ptr<const Ranker>* ranker) noexcept try {
  auto parts = std::make_unique<Parts>();
  if (Status status = Contract::parse(contract_json, &parts->contract); !status) return status;
  parts->contract_json = contract_text(contract_json);
  parts->model_version = std::move(model_version);
  parts->model = std::move(model);
  ranker->reset(new Ranker(std::move(parts)));
  return {};
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

Status Ranker::check(const Query& query, UnknownFeatures unknown,
                     std::size_t* ignored) const noexcept {
  return parts_->contract.check(query, unknown, ignored);
}

Status Ranker::rank(std::span<const Query> queries, std::span<Slate> slates) const noexcept try {
  if (queries.size() != slates.size()) {
    return Status::invalid("slates", std::to_string(slates.size()),
                           "must be " + std::to_string(queries.size()) + ", one per query");
  }
  thread_local PaddedBuffers buffers;
  if (queries.empty()) return {};
  if (Status status = buffers.check_and_fill(parts_->contract, queries); !status) return status;
  if (Status status = parts_->model->run(buffers.batch(), buffers.answer()); !status) return status;
  for (std::size_t i = 0; i < slates.size(); ++i) {
    if (Status status = buffers.split(parts_->contract, i, &slates[i]); !status) return status;
  }
  return {};
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

Status Ranker::run(const PaddedBatch& batch, const PaddedAnswer& answer) const noexcept try {
  PaddedBatch own = batch;
  set_widths(parts_->contract, &own);
  if (own != batch) {
    return Status::invalid("batch", "other widths", "must have the widths of the contract");
  }
  return batch.B == 0 ? Status() : parts_->model->run(batch, answer);
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

Status Ranker::compare(std::string_view golden) const noexcept try {
  const std::string differs =
      golden_difference(read_safetensors(golden), parts_->contract, *parts_->model);
  return differs.empty() ? Status() : Status(Code::kFailedPrecondition, differs);
} catch (const Refusal& refusal) {
  return Status(Code::kFailedPrecondition, refusal.message);
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

Status Ranker::warm_up(std::size_t max_batch) const noexcept try {
  const WarmUpQuery query(parts_->contract);
  for (const std::size_t size : warm_up_sizes(max_batch)) {
    const std::vector<Query> queries(size, query.query());
    std::vector<Slate> slates(size);
    if (Status status = rank(queries, slates); !status) return status;
  }
  return {};
} catch (const std::exception& error) {
  return Status(Code::kInternal, error.what());
}

}  // namespace gerank
