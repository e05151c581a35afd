#include "packed_records.h"

#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>

#include "first_line.h"

namespace gerank {
namespace {

class MemoryFile : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MemoryFile(ArtifactFile file) : file_(std::move(file)) {}

  std::size_t size() const override { return file_->size(); }

  std::size_t read(std::uint64_t position, void* buffer, std::size_t count,
                   const char* what) const override {
    static_cast<void>(what);
    if (position >= file_->size()) return 0;
    const std::size_t read = std::min<std::size_t>(count, file_->size() - position);
    std::memcpy(buffer, file_->data() + position, read);
    return read;
  }

 private:
  const ArtifactFile file_;
};

}  // namespace

std::shared_ptr<caffe2::serialize::ReadAdapterInterface> torch_file(const ArtifactFile& file) {
  return std::make_shared<MemoryFile>(file);
}

Status unpack_records(const ArtifactFile& file,
                      std::map<std::string, std::string, std::less<>>* records) try {
  caffe2::serialize::PyTorchStreamReader archive(torch_file(file));
  for (const std::string& name : archive.getAllRecords()) {
    const auto [bytes, size] = archive.getRecord(name);
    records->emplace(name, std::string(static_cast<const char*>(bytes.get()), size));
  }
  return {};
} catch (const std::exception& error) {
  return Status(Code::kFailedPrecondition,
                "not an artifact, truncated or altered: " + first_line(error));
}

}  // namespace gerank
