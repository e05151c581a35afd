// The directory of a zip archive, as PKWARE's APPNOTE.TXT has it (sections 4.3.7 to 4.3.16).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gerank {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  virtual std::uint64_t size() const = 0;

  // Reads exactly `count` bytes; false where there are fewer.
  virtual bool read(std::uint64_t position, void* buffer, std::size_t count) const = 0;
};

struct ZipEntry {
  std::string name;
  std::uint64_t position = 0;  // of the first byte of the content, as it lies in the archive
  std::uint64_t packed = 0;    // bytes there
  std::uint64_t size = 0;      // bytes that they unpack to

  // Whether the content lies in the archive as it is.
  bool is_stored = false;
};

// Every entry in the order of the directory. All of them lie within the archive, and no name comes
// twice. Throws Refusal, in words that follow "not an artifact, truncated or altered: ", where that
// is not so; then takes no more memory than the archive has bytes.
std::vector<ZipEntry> read_directory(const ByteSource& archive);

}  // namespace gerank
