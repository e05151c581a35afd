// An artifact as a zip archive of records.
#pragma once

#include <caffe2/serialize/read_adapter_interface.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "../contract/json.h"

namespace gerank {

// Why a file is not taken, without its path. Unwinds to read_artifact, and no further.
struct Refusal {
  std::string message;
};

// In memory, so that what was checked is what is loaded.
using ArtifactFile = std::shared_ptr<caffe2::serialize::ReadAdapterInterface>;
using Records = std::map<std::string, std::string, std::less<>>;  // name -> content

inline constexpr std::string_view kManifest = "extra/gerank.json";

// Each throws Refusal where the file is not what it must be. read_file() looks at the archive's
// directory before it takes memory for the rest.
ArtifactFile read_file(const std::string& path);
Records read_records(const ArtifactFile& file);
const std::string& record(const Records& records, std::string_view name);
Json parse_record(const Records& records, std::string_view name);  // an object
void check_sums(const Records& records);

// Returns the first line of what an exception of torch says: the rest is about torch's insides.
std::string first_line(const char* text);

}  // namespace gerank
