// What a server tells on standard error, whoever reads it.
#pragma once

#include <gerank/export.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "log_line.h"

namespace gerank::server {

// How long the last words of a server may take where nobody reads them.
inline constexpr std::chrono::milliseconds kLastWords{500};

// How many lines there were since the process started.
struct LogCounts {
  std::uint64_t written = 0;     // standard error took them
  std::uint64_t dropped = 0;     // too many were waiting, or standard error is closed
  std::uint64_t suppressed = 0;  // too many of their event came in one second
};

// The log of a process, since standard error belongs to all of it. Telling never waits for whoever
// reads: a thread of the log's own writes, and what it cannot write in time is dropped. What was
// dropped or suppressed is counted, and told in a line of its own as soon as one can be written.
//
// Thread-safe.
class GERANK_EXPORT Log {
 public:
  // Lives as long as the process. One that a fork made has a log of its own.
  static Log& of_process();

  // What is told from now on, and how; at first warnings and errors, as text.
  void configure(LogLevel least, LogFormat format);

  // Whether events of this level are told, for callers whose message costs something.
  bool tells(LogLevel level) const { return level >= least_; }

  // Tells one event. `event` is a word for programs and lives as long as the process, `message` a
  // sentence for people, of which the first 2,000 bytes are told.
  void tell(LogLevel level, std::string_view event, std::string_view message,
            std::initializer_list<LogField> fields = {});

  // Returns when all that was told has been written, or after `at_most`.
  void flush(std::chrono::milliseconds at_most);

  LogCounts counts() const;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  // One event's lines of this second.
  struct Rate {
    TimePoint second{};
    std::uint64_t told = 0, suppressed = 0;
  };

  Log(LogLevel least, LogFormat format);
  bool may_tell(std::string_view event);  // under the lock
  bool start_writer();                    // under the lock
  void write_all();
  bool write_line(const std::string& line);
  void tell_of_suppressed(TimePoint began_before);  // of those seconds; under the lock
  void tell_of_dropped();                           // under the lock
  void push(std::string line);                      // under the lock

  const pid_t process_;
  std::atomic<LogLevel> least_;
  std::atomic<LogFormat> format_;
  mutable std::mutex mutex_;
  std::condition_variable came_, written_;
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::map<std::string_view, Rate> rates_;
  LogCounts counts_;
  std::uint64_t untold_dropped_ = 0;
  bool any_suppressed_ = false, has_writer_ = false, writing_ = false;
  bool is_torn_ = false;  // what was written last has no end; the writing thread's alone
};

}  // namespace gerank::server
