// The content of a file in memory, so that what was checked is what is used.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>

namespace gerank {

// Begins at a multiple of 64 bytes, as the weights of a page model want it.
class FileBytes {
 public:
  explicit FileBytes(std::size_t size) : size_(size) {
    constexpr std::size_t kAlignment = 64;
    bytes_.reset(
        static_cast<char*>(std::aligned_alloc(kAlignment, (size / kAlignment + 1) * kAlignment)));
    if (bytes_ == nullptr) throw std::bad_alloc();
  }

  char* data() { return bytes_.get(); }
  const char* data() const { return bytes_.get(); }
  std::size_t size() const { return size_; }
  std::string_view view() const { return {data(), size_}; }

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };

  std::unique_ptr<char, Free> bytes_;
  std::size_t size_;
};

// A model that looks into the file shares in it, so that the file lives as long.
using ArtifactFile = std::shared_ptr<const FileBytes>;

}  // namespace gerank
