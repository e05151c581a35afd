// A file that an option names, and whether it has changed since it was read.
#pragma once

#include <gerank/status.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

namespace gerank::server {

// What tells one content of a path from the next without reading it: a file that was written anew,
// or put there by a rename, has another stamp.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = -1;  // -1: the path leads to no file
  std::int64_t modified_ns = 0, changed_ns = 0;

  bool operator==(const FileStamp&) const = default;
};

// The stamp of the file that `path` leads to now, symbolic links followed.
FileStamp stamp_of(const std::string& path);

// Reads a whole file of at most 1 MiB.
//
// kInvalidArgument, which names the option, the path and the reason, where it cannot be read or is
// not a regular file: reading a pipe would halt the front.
Status read_option_file(const char* option, const std::string& path, std::string* content);

}  // namespace gerank::server
