#include "archive.h"

#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "../contract/python_text.h"
#include "checksum.h"
#include "disk_file.h"

namespace gerank {
namespace {

constexpr std::string_view kChecksums = "extra/checksums.json",
                           kSerialization = ".data/serialization_id";

// Torch packs a model's code, a few hundred kilobytes, and nothing else.
constexpr std::size_t kMostSavedByPacking = std::size_t{64} << 20;

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

Refusal damaged(const c10::Error& error) {
  return {"not an artifact, truncated or altered: " + first_line(error.what_without_backtrace())};
}

// Looks at the archive's directory alone, of a few kilobytes at the end of the file, so that what
// is no artifact is refused before all of it is read, whatever its size.
void check_directory(const ArtifactFile& file) try {
  caffe2::serialize::PyTorchStreamReader archive(file);
  if (!archive.hasRecord(std::string(kManifest))) {
    throw Refusal{"no gerank.json in it: a foreign or truncated archive"};
  }
  std::size_t bytes = 0;
  for (const std::string& name : archive.getAllRecords()) bytes += archive.getRecordSize(name);
  if (bytes > file->size() + kMostSavedByPacking) {
    throw Refusal{"not an artifact: its " + std::to_string(file->size()) + " bytes hold " +
                  std::to_string(bytes) + " bytes of records"};
  }
} catch (const c10::Error& error) {
  throw damaged(error);
}

}  // namespace

std::string first_line(const char* text) { return std::string(text, std::strcspn(text, "\n")); }

ArtifactFile read_file(const std::string& path) {
  const auto file = std::make_shared<DiskFile>(path);
  check_directory(file);
  return std::make_shared<MemoryFile>(file->content());
}

Records read_records(const ArtifactFile& file) try {
  caffe2::serialize::PyTorchStreamReader archive(file);
  Records records;
  for (const std::string& name : archive.getAllRecords()) {
    const auto [bytes, size] = archive.getRecord(name);
    records.emplace(name, std::string(static_cast<const char*>(bytes.get()), size));
  }
  return records;
} catch (const c10::Error& error) {
  throw damaged(error);
}

const std::string& record(const Records& records, std::string_view name) {
  const auto found = records.find(name);
  if (found == records.end()) throw Refusal{"malformed artifact: no record " + repr(name)};
  return found->second;
}

Json parse_record(const Records& records, std::string_view name) {
  Json value;
  if (const Status status = Json::parse(record(records, name), &value); !status) {
    throw Refusal{"malformed artifact: " + repr(name) + ": " + status.message()};
  }
  if (value.type != Json::Type::kObject) {
    throw Refusal{"malformed artifact: " + repr(name) + " is " + cut(repr(value), 80)};
  }
  return value;
}

void check_sums(const Records& records) {
  const Json written = parse_record(records, kChecksums);
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

}  // namespace gerank
