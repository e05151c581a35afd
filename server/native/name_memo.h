// The lists of feature names that callers send again and again.
//
// A client names its features alike in every call, and to read 64 names costs more than the numbers
// of 20 candidates under them. A block that begins as one did before is read without them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gerank::server {

// The names at the beginning of a serialized gerank.v1.FeatureBlock.
struct NameList {
  std::string bytes;                    // as they were serialized
  std::vector<std::string_view> names;  // in `bytes`
  std::uint64_t id = 0;                 // see FeatureBlock::names_id
};

// Used by one thread; a list may be held by any.
class NameMemo {
 public:
  // The kept list that `block` begins with, if any; no more names follow it.
  std::shared_ptr<const NameList> find(std::string_view block) const;

  // Keeps the names that `block`, which is known to be a FeatureBlock, begins with, if they are not
  // kept yet. They replace the list that was kept first.
  void keep(std::string_view block);

 private:
  static constexpr std::size_t kKept = 8;
  static constexpr std::size_t kLongest = 64 << 10;  // bytes of a list that is worth keeping

  std::array<std::shared_ptr<const NameList>, kKept> lists_;
  std::size_t next_ = 0;
};

}  // namespace gerank::server
