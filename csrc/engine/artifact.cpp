#include "artifact.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <gerank/ops.h>
#include <torch/script.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "checksum.h"
#include "golden.h"
#include "json.h"
#include "python_text.h"

namespace gerank {
namespace {

constexpr std::int64_t kFormatVersion = 1;
constexpr std::array kOps = {"decode_slates", "encode_set", "set_features"};
constexpr std::string_view kManifest = "extra/gerank.json", kGolden = "extra/golden.pt",
                           kChecksums = "extra/checksums.json",
                           kSerialization = ".data/serialization_id";

using Records = std::map<std::string, std::string, std::less<>>;  // name -> content

// Unwinds to read_artifact, and no further. The message lacks the path.
struct Refusal {
  std::string message;
};

// ---- the archive

// A file in memory, so that what was checked is what is loaded.
class MemoryFile : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MemoryFile(std::string content) : content_(std::move(content)) {}

  std::size_t size() const override { return content_.size(); }

  std::size_t read(std::uint64_t position, void* buffer, std::size_t count,
                   const char* what) const override {
    static_cast<void>(what);
    if (position >= content_.size()) return 0;
    const std::size_t read = std::min<std::size_t>(count, content_.size() - position);
    std::memcpy(buffer, content_.data() + position, read);
    return read;
  }

 private:
  std::string content_;
};

std::string first_line(const char* text) { return std::string(text, std::strcspn(text, "\n")); }

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const std::size_t end = text.rfind('\n');
  return end == std::string::npos ? text : text.substr(end + 1);
}

std::shared_ptr<MemoryFile> read_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) throw Refusal{"no such file"};
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw Refusal{"cannot be read"};
  return std::make_shared<MemoryFile>(std::move(content));
}

Records read_records(const std::shared_ptr<MemoryFile>& file) try {
  caffe2::serialize::PyTorchStreamReader archive(file);
  Records records;
  for (const std::string& name : archive.getAllRecords()) {
    const auto [bytes, size] = archive.getRecord(name);
    records.emplace(name, std::string(static_cast<const char*>(bytes.get()), size));
  }
  return records;
} catch (const c10::Error& error) {
  throw Refusal{"not an artifact, truncated or altered: " +
                first_line(error.what_without_backtrace())};
}

const std::string& record(const Records& records, std::string_view name) {
  const auto found = records.find(name);
  if (found == records.end()) throw Refusal{"malformed artifact: no record " + repr(name)};
  return found->second;
}

Json parse(const std::string& text, std::string_view name) {
  Json value;
  if (const Status status = Json::parse(text, &value); !status) {
    throw Refusal{"malformed artifact: " + repr(name) + ": " + status.message()};
  }
  if (value.type != Json::Type::kObject) {
    throw Refusal{"malformed artifact: " + repr(name) + " is " + cut(repr(value), 80)};
  }
  return value;
}

// ---- checks

void check_format(const Json& manifest) {
  const Json* version = manifest.find("format_version");
  if (version != nullptr && version->type == Json::Type::kInteger &&
      version->integer == kFormatVersion) {
    return;
  }
  throw Refusal{"format version " + (version == nullptr ? "None" : repr(*version)) +
                ", this gerank reads " + std::to_string(kFormatVersion)};
}

void check_sums(const Records& records) {
  const Json written = parse(record(records, kChecksums), kChecksums);
  std::map<std::string_view, const Json*> sums;
  for (const auto& [name, sum] : written.members) sums.emplace(name, &sum);
  for (const auto& [name, content] : records) {
    if (name != kChecksums && name != kSerialization) sums.emplace(name, nullptr);
  }
  for (const auto& [name, sum] : sums) {
    const auto found = records.find(name);
    if (found == records.end()) throw Refusal{"record " + repr(name) + " is missing"};
    const std::string& content = found->second;
    if (sum == nullptr || sum->type != Json::Type::kInteger ||
        sum->integer != std::int64_t{crc32(content.data(), content.size())}) {
      throw Refusal{"record " + repr(name) + " was altered after it was written"};
    }
  }
}

// As the loaded library states it; empty if it has no such op.
std::string op_schema(const std::string& name) {
  const auto op = c10::Dispatcher::singleton().findSchema({"gerank::" + name, ""});
  if (!op) return "";
  std::ostringstream text;
  text << op->schema();
  return text.str();
}

const Json& versions_of(const Json& manifest) {
  const Json* versions = manifest.find("versions");
  if (versions == nullptr || versions->type != Json::Type::kObject) {
    throw Refusal{"malformed artifact: no 'versions'"};
  }
  return *versions;
}

void check_ops(const Json& manifest) {
  const Json* ops = versions_of(manifest).find("ops");
  if (ops == nullptr || ops->type != Json::Type::kObject) {
    throw Refusal{"malformed artifact: no 'ops'"};
  }
  for (const auto& [name, schema] : ops->members) {
    const bool ours = std::find(kOps.begin(), kOps.end(), name) != kOps.end();
    const std::string installed = ours ? op_schema(name) : "";
    if (schema.type == Json::Type::kString && !installed.empty() && installed == schema.text) {
      continue;
    }
    const std::string shown = installed.empty() ? "None" : repr(std::string_view(installed));
    throw Refusal{"was written for op " + repr(schema) + "; this library has " + shown};
  }
}

// ---- the model

template <typename T>
at::Tensor view(const T* values, at::ScalarType dtype, std::initializer_list<std::int64_t> shape) {
  // A model reads its arguments only.
  return at::from_blob(const_cast<T*>(values), shape, at::TensorOptions(dtype));
}

std::vector<c10::IValue> views(const PaddedBatch& batch) {
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

// A thread's batches lie in one place, and often have one shape: then their tensors serve again.
const std::vector<c10::IValue>& arguments(const PaddedBatch& batch) {
  thread_local PaddedBatch last;
  thread_local std::vector<c10::IValue> tensors;
  if (tensors.empty() || !(batch == last)) {
    tensors = views(batch);
    last = batch;
  }
  return tensors;
}

template <typename T>
void copy_out(const at::Tensor& tensor, const PaddedBatch& batch, T* out) {
  const auto expected = c10::CppTypeToScalarType<T>::value;
  TORCH_CHECK(
      tensor.sizes() == at::IntArrayRef({batch.B, batch.N}) && tensor.scalar_type() == expected,
      "the generator must answer [B, N] = [", batch.B, ", ", batch.N, "] ", expected, ", got ",
      tensor.sizes(), " ", tensor.scalar_type());
  const at::Tensor contiguous = tensor.contiguous();
  std::copy_n(contiguous.const_data_ptr<T>(), contiguous.numel(), out);
}

class ScriptedGenerator : public Model {
 public:
  explicit ScriptedGenerator(torch::jit::Module module)
      : module_(std::move(module)), forward_(module_.get_method("forward")) {}

  Status run(const PaddedBatch& batch, const PaddedAnswer& answer) const override try {
    const c10::InferenceMode no_gradients;
    // The profiling executor would spend the first calls of every thread on recompiling, for no
    // gain: the model's time is that of its fused op and of matrix products.
    const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
    const c10::IValue slates = forward_(arguments(batch));
    const auto& fields = slates.toTupleRef().elements();  // slates, log_prob, relaxed
    copy_out(fields[0].toTensor(), batch, answer.slates);
    copy_out(fields[1].toTensor(), batch, answer.log_prob);
    copy_out(fields[2].toTensor(), batch, answer.relaxed);
    return {};
  } catch (const c10::Error& error) {
    return Status(Code::kInternal, last_line(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return Status(Code::kInternal, last_line(error.what()));
  }

 private:
  torch::jit::Module module_;
  mutable torch::jit::Method forward_;
};

std::unique_ptr<const Model> load_model(const std::shared_ptr<MemoryFile>& file) try {
  torch::jit::Module module = torch::jit::load(file, at::kCPU);
  module.eval();
  return std::make_unique<ScriptedGenerator>(torch::jit::freeze(module));
} catch (const std::exception& error) {
  throw Refusal{"torch refuses it: " + first_line(error.what())};
}

// ---- golden requests

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
  batch.user_dense_width = contract.user_dense;
  batch.user_ids_width = contract.user_ids;
  batch.candidate_dense_width = contract.candidate_dense;
  batch.candidate_ids_width = contract.candidate_ids;
  batch.groups = static_cast<std::int64_t>(contract.groups.size());
  batch.flags = static_cast<std::int64_t>(contract.flags.size());
  batch.utilities = static_cast<std::int64_t>(contract.weights.size());
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

void check_golden(const Records& records, const Json& manifest, const Contract& contract,
                  const Model& model) {
  const Tensors tensors = read_golden(record(records, kGolden));
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
  const std::string differs =
      status ? difference(batch, expected, actual) : "golden requests fail: " + status.message();
  if (differs.empty()) return;
  throw Refusal{differs + "; it was written with " + repr(versions_of(manifest))};
}

Artifact read(const std::string& path) {
  link_ops();
  const std::shared_ptr<MemoryFile> file = read_file(path);
  const Records records = read_records(file);
  if (!records.contains(kManifest)) {
    throw Refusal{"no gerank.json in it: a foreign or truncated archive"};
  }
  Artifact artifact;
  artifact.manifest = record(records, kManifest);
  Json manifest;
  if (!Json::parse(artifact.manifest, &manifest)) check_sums(records);  // the likelier reason
  manifest = parse(artifact.manifest, kManifest);
  check_format(manifest);
  check_sums(records);
  check_ops(manifest);
  const Json* version = manifest.find("model_version");
  if (version == nullptr || version->type != Json::Type::kString) {
    throw Refusal{"malformed artifact: no 'model_version'"};
  }
  artifact.model_version = version->text;
  if (Status status = Contract::parse(artifact.manifest, &artifact.contract); !status) {
    throw Refusal{"malformed artifact: " + status.message()};
  }
  artifact.model = load_model(file);
  check_golden(records, manifest, artifact.contract, *artifact.model);
  return artifact;
}

}  // namespace

Status read_artifact(const std::string& path, Artifact* artifact) try {
  *artifact = read(path);
  return {};
} catch (const Refusal& refusal) {
  return Status(Code::kFailedPrecondition, path + ": " + refusal.message);
}

}  // namespace gerank
