#include "artifact.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "../../kernels/instruction_set.h"
#include "../../page/bfloat16_weights.h"
#include "../contract/json.h"
#include "../contract/python_text.h"
#include "archive.h"
#include "golden.h"
#include "native_generator.h"
#include "torchscript_part.h"

namespace gerank {
namespace {

// Format 1 has golden requests as torch pickles them, packed code, and no place of a page model.
constexpr std::int64_t kFirstFormat = 1, kFormat = 2;
constexpr std::array kOps = {"decode_slates", "encode_set", "rank_page", "set_features"};
constexpr std::string_view kGolden = "extra/golden.safetensors", kFirstGolden = "extra/golden.pt";

std::int64_t format_version(const Json& manifest) {
  const Json* version = manifest.find("format_version");
  if (version != nullptr && version->type == Json::Type::kInteger &&
      version->integer >= kFirstFormat && version->integer <= kFormat) {
    return version->integer;
  }
  throw Refusal{"format version " + (version == nullptr ? "None" : repr(*version)) +
                ", this gerank reads " + std::to_string(kFirstFormat) + " to " +
                std::to_string(kFormat)};
}

const Json& versions_of(const Json& manifest) {
  const Json* versions = manifest.find("versions");
  if (versions == nullptr || versions->type != Json::Type::kObject) {
    throw Refusal{"malformed artifact: no 'versions'"};
  }
  return *versions;
}

const Json& ops_of(const Json& manifest) {
  const Json* ops = versions_of(manifest).find("ops");
  if (ops == nullptr || ops->type != Json::Type::kObject) {
    throw Refusal{"malformed artifact: no 'ops'"};
  }
  return *ops;
}

void check_ops(const Json& manifest) {
  for (const auto& [name, schema] : ops_of(manifest).members) {
    const bool ours = std::find(kOps.begin(), kOps.end(), name) != kOps.end();
    const std::string installed = ours ? torchscript_part().op_schema(name) : "";
    if (schema.type == Json::Type::kString && !installed.empty() && installed == schema.text) {
      continue;
    }
    const std::string shown = installed.empty() ? "None" : repr(std::string_view(installed));
    throw Refusal{"was written for op " + repr(schema) + "; this library has " + shown};
  }
}

// The name of the record that is the page model; empty if the file has none.
std::string page_record(const Json& manifest) {
  const Json* page = manifest.find("page");
  if (page == nullptr) return "";
  if (page->type != Json::Type::kString || page->text.empty()) {
    throw Refusal{"malformed artifact: 'page' must name a record, got " + cut(repr(*page), 80)};
  }
  return page->text;
}

std::unique_ptr<const Model> scripted_generator(const Archive& archive, const Json& manifest,
                                                const Contract& contract, Device device) {
  const TorchScriptPart& part = torchscript_part();
  if (const std::string differs = part.mismatch(); !differs.empty()) throw Refusal{differs};
  check_ops(manifest);
  ArtifactFile file = archive.file();
  std::string_view page;
  if (const std::string record = page_record(manifest); device != Device::kCpu && !record.empty()) {
    page = aligned_page(archive.record(record), &file);
    check_page(page, contract);
  }
  std::unique_ptr<const Model> model;
  if (Status status = part.load_generator(file, page, device, &model); !status) {
    throw Refusal{status.message()};
  }
  return model;
}

GoldenTensors read_golden(const Archive& archive, std::int64_t format) {
  if (format > kFirstFormat) return read_safetensors(archive.record(kGolden));
  GoldenTensors tensors;
  const std::string_view content = archive.record(kFirstGolden);
  if (Status status = torchscript_part().read_pickled_golden(content, &tensors); !status) {
    throw Refusal{status.message()};
  }
  return tensors;
}

void make_model(const Archive& archive, const Json& manifest, const ModelOptions& options,
                Artifact* artifact) {
  const Implementation wanted = options.implementation;
  const std::string page = page_record(manifest);
  if (wanted == Implementation::kNative && page.empty()) {
    throw Refusal{
        "has no page model to run natively: it is no stock generator, or is of format 1; "
        "the TorchScript implementation takes it"};
  }
  if (wanted == Implementation::kTorchScript || page.empty() || options.device != Device::kCpu) {
    artifact->implementation = Implementation::kTorchScript;
    artifact->model = scripted_generator(archive, manifest, artifact->contract, options.device);
  } else {
    artifact->implementation = Implementation::kNative;
    artifact->model = native_generator(archive.file(), archive.record(page), artifact->contract,
                                       Precision::kFloat32);
  }
}

// What a manifest says of precision; without a word it is float32.
Precision written_precision(const Json& manifest) {
  const Json* precision = manifest.find("precision");
  if (precision == nullptr) return Precision::kFloat32;
  const Json *name = precision->find("name"), *changed = precision->find("changed_slates"),
             *requests = precision->find("requests");
  const bool is_measured = changed != nullptr && changed->is_number() && changed->real >= 0 &&
                           changed->real <= 1 && requests != nullptr &&
                           requests->type == Json::Type::kInteger && requests->integer > 0;
  if (is_measured && name != nullptr && name->type == Json::Type::kString) {
    if (name->text == "bfloat16") return Precision::kBfloat16;
    if (name->text == "float32") return Precision::kFloat32;
  }
  throw Refusal{
      "malformed artifact: 'precision' must have a name, float32 or bfloat16, the share "
      "of changed_slates and a number of requests, got " +
      cut(repr(*precision), 80)};
}

// What the options ask for, else what the artifact does.
Precision wanted_precision(const Json& manifest, Precision option) {
  const Precision written = written_precision(manifest);
  return option == Precision::kAutomatic ? written : option;
}

// After the golden requests, whose answers are those of float32.
void change_precision(const Archive& archive, const Json& manifest, Artifact* artifact) {
  if (artifact->wanted_precision != Precision::kBfloat16 ||
      artifact->implementation != Implementation::kNative ||
      !page::Bfloat16Weights::can_be_used()) {
    return;
  }
  artifact->precision = Precision::kBfloat16;
  artifact->model = native_generator(archive.file(), archive.record(page_record(manifest)),
                                     artifact->contract, Precision::kBfloat16);
}

// Torch packed records in format 1; since then none is, and reading needs no torch.
void unpack(std::int64_t format, Archive* archive) {
  if (format > kFirstFormat) {
    throw Refusal{"record " + repr(archive->packed()) + " is packed, and an artifact of format " +
                  std::to_string(format) +
                  " has none that is: export it again, or zip it without " + "compression"};
  }
  archive->unpack();
}

// It stands in answers, logs, labels and on terminals.
std::string model_version(const Json& manifest) {
  constexpr std::size_t kLongest = 200;
  const Json* version = manifest.find("model_version");
  if (version == nullptr || version->type != Json::Type::kString) {
    throw Refusal{"malformed artifact: no 'model_version'"};
  }
  const auto is_control = [](unsigned char byte) { return byte < 0x20 || byte == 0x7F; };
  const std::string& text = version->text;
  if (text.empty() || text.size() > kLongest || std::any_of(text.begin(), text.end(), is_control)) {
    throw Refusal{
        "malformed artifact: 'model_version' must be a text of 1 to 200 bytes without "
        "control characters, got " +
        cut(repr(*version), 80)};
  }
  return text;
}

Artifact read(const std::string& path, const ModelOptions& options) {
  if (const std::string error = cpu::instruction_set_error(); !error.empty()) throw Refusal{error};
  Archive archive(path);
  Artifact artifact;
  artifact.manifest = archive.record(kManifest);
  Json manifest;
  if (!Json::parse(artifact.manifest, &manifest)) archive.check_sums();  // the likelier reason
  manifest = archive.parse_record(kManifest);
  const std::int64_t format = format_version(manifest);
  if (!archive.packed().empty()) unpack(format, &archive);
  archive.check_sums();
  ops_of(manifest);  // the native pass calls none of them; a manifest says them all the same
  artifact.model_version = model_version(manifest);
  if (Status status = Contract::parse(artifact.manifest, &artifact.contract); !status) {
    throw Refusal{"malformed artifact: " + status.message()};
  }
  artifact.wanted_precision = wanted_precision(manifest, options.precision);
  make_model(archive, manifest, options, &artifact);
  const std::string differs =
      golden_difference(read_golden(archive, format), artifact.contract, *artifact.model);
  if (!differs.empty()) {
    throw Refusal{differs + "; it was written with " + repr(versions_of(manifest))};
  }
  change_precision(archive, manifest, &artifact);
  return artifact;
}

}  // namespace

Status read_artifact(const std::string& path, const ModelOptions& options, Artifact* artifact) try {
  *artifact = read(path, options);
  return {};
} catch (const Refusal& refusal) {
  return Status(Code::kFailedPrecondition, path + ": " + refusal.message);
}

}  // namespace gerank
