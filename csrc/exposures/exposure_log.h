// Writes what a server answered into files, beside its answering.
//
//   std::unique_ptr<ExposureLog> log;
//   if (Status status = ExposureLog::start({.folder = "exposures"}, &log); !status) ...
//   log->describe(ranker->model_version(), ranker->contract_json());   // when a model is loaded
//   log->record({request_id, "default", version, "", request, response});  // per answered call
//
// A folder holds exposures-TIME-PID-N.pb, each a stream of delimited gerank.v1.Exposure, and
// contract-VERSION.json per model version: what a request may leave out. Any number of processes
// may write into one folder. A process that dies loses what still waits in its queue; of the file
// that it was writing all whole records can be read.
#pragma once

#include <gerank/option_ranges.h>
#include <gerank/status.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "exposure.h"

namespace gerank::exposures {

// These are the ranges of ExposureLogOptions that are whole numbers.
inline constexpr OptionRange kFileBytes{1 << 10, std::int64_t(1) << 36};
inline constexpr OptionRange kFileSeconds{1, std::int64_t(7) * 86'400};
inline constexpr OptionRange kQueueBytes{1 << 10, std::int64_t(1) << 36};
inline constexpr OptionRange kMaxBytes{0, std::int64_t(1) << 50};

struct ExposureLogOptions {
  std::string folder;                   // made where it is not there
  double share = 1;                     // of the calls, 0 to 1, chosen by their request ids
  std::int64_t file_bytes = 64 << 20;   // a file that would be larger is followed by another
  std::int64_t file_s = 300;            // a file that is older is closed, in seconds
  std::int64_t queue_bytes = 32 << 20;  // records in memory; what comes beyond is lost
  std::int64_t max_bytes = 0;           // of closed files: the oldest are deleted; 0 keeps all
};

// Counts since the log was started.
struct ExposureStatistics {
  std::uint64_t written = 0;  // records
  std::uint64_t lost = 0;     // records: the queue was full, or no file could take them
  std::uint64_t bytes = 0;    // written
  std::uint64_t files = 0;    // opened
  std::string last_error;     // what could last not be written, and why; empty if nothing
  bool refused = false;       // whether the disk refuses what waits now
};

// Thread-safe. In a process that was forked off it records nothing, and its end does nothing.
class ExposureLog {
 public:
  // Gets the counts when the disk begins to refuse records, and when it takes them again. On the
  // thread that writes, which waits for it.
  using Turn = std::function<void(const ExposureStatistics& counts)>;

  // Starts the thread that writes. kInvalidArgument names an option that is out of its range or a
  // folder that cannot be made or written.
  static Status start(const ExposureLogOptions& options, std::unique_ptr<ExposureLog>* log,
                      Turn turn = {});

  // Closes.
  ~ExposureLog();

  ExposureLog(const ExposureLog&) = delete;
  ExposureLog& operator=(const ExposureLog&) = delete;

  // Takes a copy of the record if the call is in the share. Never waits for a disk: where the queue
  // is full the record is lost, and counted.
  void record(const Exposure& exposure);

  // Has contract-VERSION.json written, unless it is there. As the records do, it waits for a disk
  // that is full.
  void describe(std::string_view model_version, std::string_view contract_json);

  ExposureStatistics statistics() const;

  // Writes what waits, unless the disk refuses it, and closes the file. Records that come later
  // are lost.
  void close();

 private:
  struct State;

  explicit ExposureLog(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace gerank::exposures
