// The files of one exposure log, one after the other.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace gerank::exposures {

// Writes whole records into exposures-TIME-PID-N.pb: TIME counts microseconds since 1970, N the
// files of this object. A file that is still written to has the ending .pb.part; it gets its name
// when it is closed. Used by one thread.
class RollingFile {
 public:
  using Clock = std::chrono::steady_clock;

  RollingFile(std::string folder, std::chrono::seconds most_age);

  // Leaves an open file as it is, with the name of one that is written to.
  ~RollingFile();

  RollingFile(const RollingFile&) = delete;
  RollingFile& operator=(const RollingFile&) = delete;

  // Appends whole records; opens a file, and makes the folder, where there is none. Returns 0, or
  // the errno of what failed: the file then ends where it ended before.
  int append(std::string_view records);

  // Gives the open file its name, or removes it where nothing is in it. Returns 0, or an errno.
  int close();

  bool is_open() const { return descriptor_ >= 0; }
  std::uint64_t size() const { return size_; }       // of the open file, in bytes
  Clock::time_point due() const { return due_; }     // when the open file is too old
  std::uint64_t files() const { return files_; }     // opened so far
  const std::string& path() const { return path_; }  // what was written to last

 private:
  int open();

  const std::string folder_;
  const std::chrono::seconds most_age_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0, files_ = 0;
  Clock::time_point due_{};
  std::string name_, path_;
};

// Keeps at most `most_bytes` of closed files exposures-*.pb in a folder: the oldest go first.
void remove_oldest(const std::string& folder, std::uint64_t most_bytes);

}  // namespace gerank::exposures
