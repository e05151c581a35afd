#include "archive.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "../contract/python_text.h"
#include "checksum.h"
#include "disk_file.h"
#include "torchscript_part.h"
#include "zip_directory.h"

namespace gerank {
namespace {

constexpr std::string_view kChecksums = "extra/checksums.json",
                           kSerialization = ".data/serialization_id";

// Torch packs a model's code, a few hundred kilobytes, and nothing else.
constexpr std::size_t kMostSavedByPacking = std::size_t{64} << 20;

class MemoryFile : public ByteSource {
 public:
  explicit MemoryFile(const FileBytes& content) : content_(content) {}

  std::uint64_t size() const override { return content_.size(); }

  bool read(std::uint64_t position, void* buffer, std::size_t count) const override {
    if (position > content_.size() || count > content_.size() - position) return false;
    std::memcpy(buffer, content_.data() + position, count);
    return true;
  }

 private:
  const FileBytes& content_;
};

// The entries of an artifact, named without their common folder.
std::vector<ZipEntry> artifact_entries(const ByteSource& file) {
  std::vector<ZipEntry> entries = read_directory(file);
  std::string folder;
  std::uint64_t bytes = 0;
  bool has_manifest = false;
  for (ZipEntry& entry : entries) {
    const std::string own = entry.name.substr(0, entry.name.find('/') + 1);
    if (&entry == entries.data()) folder = own;
    if (own.empty() || own != folder) {
      throw Refusal{"not an artifact: its records lie in more than one folder"};
    }
    entry.name.erase(0, own.size());
    has_manifest = has_manifest || entry.name == kManifest;
    bytes += std::min<std::uint64_t>(entry.size, ~std::uint64_t{0} - bytes);
  }
  if (!has_manifest) throw Refusal{"no gerank.json in it: a foreign or truncated archive"};
  if (bytes > file.size() + kMostSavedByPacking) {
    throw Refusal{"not an artifact: its " + std::to_string(file.size()) + " bytes hold " +
                  std::to_string(bytes) + " bytes of records"};
  }
  return entries;
}

ArtifactFile read_file(const std::string& path) {
  const DiskFile file(path);
  artifact_entries(file);
  return file.content();
}

}  // namespace

Archive::Archive(const std::string& path) : file_(read_file(path)) {
  for (const ZipEntry& entry : artifact_entries(MemoryFile(*file_))) {
    if (entry.is_stored) {
      records_.emplace(entry.name, file_->view().substr(entry.position, entry.size));
    } else if (packed_.empty()) {
      packed_ = entry.name;
    }
  }
}

void Archive::unpack() {
  if (Status status = torchscript_part().unpack(file_, &unpacked_); !status) {
    throw Refusal{status.message()};
  }
  for (const auto& [name, content] : unpacked_) records_.insert_or_assign(name, content);
}

std::string_view Archive::record(std::string_view name) const {
  const auto found = records_.find(name);
  if (found == records_.end()) {
    throw Refusal{"malformed artifact: no record " + repr(name) +
                  (packed_.empty() ? "" : ", or it is packed, as " + repr(packed_) + " is")};
  }
  return found->second;
}

Json Archive::parse_record(std::string_view name) const {
  Json value;
  if (const Status status = Json::parse(record(name), &value); !status) {
    throw Refusal{"malformed artifact: " + repr(name) + ": " + status.message()};
  }
  if (value.type != Json::Type::kObject) {
    throw Refusal{"malformed artifact: " + repr(name) + " is " + cut(repr(value), 80)};
  }
  return value;
}

void Archive::check_sums() const {
  const Json written = parse_record(kChecksums);
  std::map<std::string_view, const Json*> sums;
  for (const auto& [name, sum] : written.members) sums.emplace(name, &sum);
  for (const auto& [name, content] : records_) {
    if (name != kChecksums && name != kSerialization) sums.emplace(name, nullptr);
  }
  for (const auto& [name, sum] : sums) {
    const auto found = records_.find(name);
    if (found == records_.end()) throw Refusal{"record " + repr(name) + " is missing"};
    if (sum == nullptr) throw Refusal{"record " + repr(name) + " was added after it was written"};
    const std::string_view content = found->second;
    if (sum->type != Json::Type::kInteger ||
        sum->integer != std::int64_t{crc32(content.data(), content.size())}) {
      throw Refusal{"record " + repr(name) + " was altered after it was written"};
    }
  }
}

}  // namespace gerank
