// Moves batches of records into files, whatever the disk does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "rolling_file.h"

namespace gerank::exposures {

// Counts since the writer was made.
struct WriterCounts {
  std::uint64_t written = 0;  // records
  std::uint64_t dropped = 0;  // records that no file can take: each is larger than a file may be
  std::uint64_t bytes = 0;    // written
  std::uint64_t files = 0;    // opened
};

// Used by one thread.
class RecordWriter {
 public:
  // A file that would be larger than `file_bytes`, or is older than `file_age`, is followed by
  // another; the oldest are removed where the folder has more than `max_bytes`, unless that is 0.
  RecordWriter(std::string folder, std::uint64_t file_bytes, std::chrono::seconds file_age,
               std::uint64_t max_bytes);

  // Takes a batch of delimited records over. The one before must be done.
  void take(std::string records, std::size_t count);

  // Writes the batch. False: the disk refuses it; what is left of it waits for the next call.
  bool write();

  bool is_done() const { return records_.empty(); }
  std::size_t bytes_left() const { return records_.size() - done_; }
  std::size_t records_left() const { return count_; }

  bool is_open() const { return file_.is_open(); }
  RollingFile::Clock::time_point due() const { return file_.due(); }  // when to close the file
  void close();

  const WriterCounts& counts() const { return counts_; }

  // What could last not be written, and why; empty if nothing.
  const std::string& last_error() const { return last_error_; }

 private:
  std::size_t next_size(std::size_t* count) const;
  void move_on(std::size_t size, std::size_t count);
  void note(int error);

  const std::string folder_;
  const std::uint64_t file_bytes_, max_bytes_;
  RollingFile file_;
  std::string records_;
  std::size_t done_ = 0, count_ = 0;  // bytes that are written, and records that are not
  bool one_by_one_ = false;           // a write was refused; fewer records may fit
  WriterCounts counts_;
  std::string last_error_;
};

}  // namespace gerank::exposures
