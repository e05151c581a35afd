#include "artifact.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <gerank/ops.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <locale>
#include <sstream>
#include <string_view>

#include "../contract/json.h"
#include "../contract/python_text.h"
#include "archive.h"
#include "golden.h"
#include "scripted_generator.h"
#include "torch_state.h"

namespace gerank {
namespace {

constexpr std::int64_t kFormatVersion = 1;
constexpr std::array kOps = {"decode_slates", "encode_set", "rank_page", "set_features"};
constexpr std::string_view kGolden = "extra/golden.pt";

void check_format(const Json& manifest) {
  const Json* version = manifest.find("format_version");
  if (version != nullptr && version->type == Json::Type::kInteger &&
      version->integer == kFormatVersion) {
    return;
  }
  throw Refusal{"format version " + (version == nullptr ? "None" : repr(*version)) +
                ", this gerank reads " + std::to_string(kFormatVersion)};
}

// As the loaded library states it; empty if it has no such op.
std::string op_schema(const std::string& name) {
  const auto op = c10::Dispatcher::singleton().findSchema({"gerank::" + name, ""});
  if (!op) return "";
  std::ostringstream text;
  text.imbue(std::locale::classic());  // the host's may group the digits of a default
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

Artifact read(const std::string& path) {
  if (const std::string differs = torch_mismatch(); !differs.empty()) throw Refusal{differs};
  if (const std::string error = instruction_set_error(); !error.empty()) throw Refusal{error};
  const OwnTorchState state;
  const ArtifactFile file = read_file(path);
  const Records records = read_records(file);
  Artifact artifact;
  artifact.manifest = record(records, kManifest);
  Json manifest;
  if (!Json::parse(artifact.manifest, &manifest)) check_sums(records);  // the likelier reason
  manifest = parse_record(records, kManifest);
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
  artifact.model = load_generator(file);
  const std::string differs =
      golden_difference(record(records, kGolden), artifact.contract, *artifact.model);
  if (!differs.empty()) {
    throw Refusal{differs + "; it was written with " + repr(versions_of(manifest))};
  }
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
