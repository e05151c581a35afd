// A folder of a test's own, and what an exposure log left in it.
#pragma once

#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "exposures/exposure.h"
#include "exposures/exposure_log.h"

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "exposures-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }

  std::string path() const { return path_; }

  // The names of its files that end so, sorted.
  std::vector<std::string> names(const std::string& ending) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_)) {
      const std::string name = entry.path().filename();
      if (name.ends_with(ending)) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string content(const std::string& name) const {
    std::ifstream file(fs::path(path_) / name, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  // How many records the files have that end so; each must end where a record does.
  std::size_t records(const std::string& ending = ".pb") const {
    std::size_t count = 0;
    for (const std::string& name : names(ending)) {
      const std::string bytes = content(name);
      for (std::string_view rest = bytes; !rest.empty(); ++count) {
        rest.remove_prefix(gerank::exposures::first_record_size(rest));
      }
    }
    return count;
  }

 private:
  std::string path_;
};

// Whether something comes true within ten seconds.
template <typename Condition>
bool soon(const Condition& condition) {
  for (int tries = 0; tries < 1000 && !condition(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}
