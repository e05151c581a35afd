// A regular file on disk, read piece by piece.
#pragma once

#include <caffe2/serialize/read_adapter_interface.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace gerank {

class DiskFile : public caffe2::serialize::ReadAdapterInterface {
 public:
  // Throws Refusal where there is no such file, where it is of another kind, which the message
  // names, and where it may not be read. Does not wait, also not for the writer of a FIFO.
  explicit DiskFile(const std::string& path);
  ~DiskFile() override;
  DiskFile(const DiskFile&) = delete;
  DiskFile& operator=(const DiskFile&) = delete;

  // Bytes, when it was opened.
  std::size_t size() const override { return size_; }

  // Reads up to `count` bytes; fewer at the end, and where the system gives no more. Does not
  // throw: the caller may be torch's zip reader, which is written in C.
  std::size_t read(std::uint64_t position, void* buffer, std::size_t count,
                   const char* what = "") const override;

  // All of it. Throws Refusal if the system gives less.
  std::string content() const;

 private:
  int descriptor_ = -1;
  std::size_t size_ = 0;
};

}  // namespace gerank
