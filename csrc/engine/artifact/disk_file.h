// A regular file on disk, read piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "file_bytes.h"
#include "zip_directory.h"

namespace gerank {

class DiskFile : public ByteSource {
 public:
  // Throws Refusal where there is no such file, where it is of another kind, which the message
  // names, and where it may not be read. Does not wait, also not for the writer of a FIFO.
  explicit DiskFile(const std::string& path);
  ~DiskFile() override;
  DiskFile(const DiskFile&) = delete;
  DiskFile& operator=(const DiskFile&) = delete;

  // Bytes, when it was opened.
  std::uint64_t size() const override { return size_; }

  bool read(std::uint64_t position, void* buffer, std::size_t count) const override;

  // All of it. Throws Refusal if the system gives less.
  ArtifactFile content() const;

 private:
  int descriptor_ = -1;
  std::size_t size_ = 0;
};

}  // namespace gerank
