// An artifact as a zip archive of records.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "../contract/json.h"
#include "file_bytes.h"
#include "refusal.h"

namespace gerank {

inline constexpr std::string_view kManifest = "extra/gerank.json";

// The records of a file, by their names without the folder that all of them lie in.
class Archive {
 public:
  using Unpacked = std::map<std::string, std::string, std::less<>>;

  // Looks at the directory before it takes memory for the rest. Throws Refusal where the file is no
  // archive with a manifest.
  explicit Archive(const std::string& path);

  // The first record that does not lie in the file as it is; empty if there is none. Such records
  // are not there before unpack(), which needs torch.
  const std::string& packed() const { return packed_; }
  void unpack();

  // Throws Refusal where there is none of that name.
  std::string_view record(std::string_view name) const;
  Json parse_record(std::string_view name) const;  // an object

  // Throws Refusal where a record is not what it was when it was written.
  void check_sums() const;

  const ArtifactFile& file() const { return file_; }

 private:
  ArtifactFile file_;
  std::string packed_;
  Unpacked unpacked_;  // empty where all records lie in the file as they are
  std::map<std::string, std::string_view, std::less<>> records_;
};

}  // namespace gerank
