#include "archive.h"

#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "checksum.h"
#include "python_text.h"

namespace gerank {
namespace {

constexpr std::string_view kChecksums = "extra/checksums.json",
                           kSerialization = ".data/serialization_id";

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

}  // namespace

std::string first_line(const char* text) { return std::string(text, std::strcspn(text, "\n")); }

ArtifactFile read_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) throw Refusal{"no such file"};
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw Refusal{"cannot be read"};
  return std::make_shared<MemoryFile>(std::move(content));
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
  throw Refusal{"not an artifact, truncated or altered: " +
                first_line(error.what_without_backtrace())};
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
