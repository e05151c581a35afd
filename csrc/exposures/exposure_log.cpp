#include "exposure_log.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "contract_file.h"
#include "record_writer.h"

namespace gerank::exposures {
namespace {

using SteadyClock = RollingFile::Clock;
using Contracts = std::vector<std::pair<std::string, std::string>>;  // version and JSON

constexpr auto kGathering = std::chrono::milliseconds(20);  // so that a write takes many records
constexpr auto kRetry = std::chrono::seconds(1);            // after a disk refused one

std::int64_t unix_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

Status check(const ExposureLogOptions& options) {
  if (Status status = kFileBytes.check("exposure_file_bytes", options.file_bytes); !status) {
    return status;
  }
  if (Status status = kFileSeconds.check("exposure_file_s", options.file_s); !status) return status;
  if (Status status = kQueueBytes.check("exposure_queue_bytes", options.queue_bytes); !status) {
    return status;
  }
  if (Status status = kMaxBytes.check("exposure_max_bytes", options.max_bytes); !status) {
    return status;
  }
  if (!(options.share >= 0 && options.share <= 1)) {
    return Status::invalid("exposure_share", std::to_string(options.share),
                           "must be a number in [0, 1]");
  }
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (!error && access(options.folder.c_str(), W_OK | X_OK) != 0) {
    error.assign(errno, std::generic_category());
  }
  if (!error && !std::filesystem::is_directory(options.folder, error)) {
    error = std::make_error_code(std::errc::not_a_directory);
  }
  if (error) {
    return Status::invalid("exposures", "'" + options.folder + "'",
                           "must be a folder that can be written (" + error.message() + ")");
  }
  return {};
}

}  // namespace

// What callers and the writing thread share.
struct ExposureLog::State {
  State(const ExposureLogOptions& given, Turn given_turn)
      : options(given),
        turn(std::move(given_turn)),
        writer(given.folder, std::uint64_t(given.file_bytes), std::chrono::seconds(given.file_s),
               std::uint64_t(given.max_bytes)) {}

  // Whether so many bytes more are more than may be held. What is being written counts too.
  bool is_full(std::size_t more) const {
    return waiting.size() + writing_bytes + more > std::size_t(options.queue_bytes);
  }

  // The writing thread.
  void work();
  void sleep(std::unique_lock<std::mutex>& lock);
  bool write(std::unique_lock<std::mutex>& lock);
  void note(bool refused, std::unique_lock<std::mutex>& lock);
  void write_contracts(Contracts& unwritten);

  const ExposureLogOptions options;
  const Turn turn;  // may be empty
  const pid_t process = getpid();
  std::thread thread;

  std::mutex joining;  // one of those who close joins the thread
  mutable std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::string waiting;  // delimited records
  std::size_t waiting_count = 0, writing_bytes = 0;
  Contracts contracts;  // to be written
  ExposureStatistics counts;

  // The writing thread's alone.
  RecordWriter writer;
  std::string contract_error;
};

void ExposureLog::State::work() {
  sigset_t all;  // signals are for the host's threads; a file that grew too large is an error alone
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  std::unique_lock lock(mutex);
  for (bool is_last = false; !is_last;) {
    sleep(lock);
    is_last = stopping;
    do {
      note(!write(lock), lock);
    } while (is_last && !counts.refused && !waiting.empty());
  }
  lock.unlock();
  writer.close();
  lock.lock();
  counts.lost += writer.records_left() + waiting_count;
  counts.files = writer.counts().files;
}

// Until there is something to do; then a moment longer, so that a write takes many records.
void ExposureLog::State::sleep(std::unique_lock<std::mutex>& lock) {
  const auto has_work = [this] { return stopping || !waiting.empty() || !contracts.empty(); };
  if (counts.refused) {
    wake.wait_for(lock, kRetry, [this] { return stopping; });
    return;
  }
  if (writer.is_open()) {
    wake.wait_until(lock, writer.due(), has_work);
  } else {
    wake.wait(lock, has_work);
  }
  wake.wait_for(lock, kGathering,
                [this] { return stopping || is_full(std::size_t(options.queue_bytes) / 2); });
}

// Writes the contracts and one batch. False: the disk refused some of it.
bool ExposureLog::State::write(std::unique_lock<std::mutex>& lock) {
  if (writer.is_done()) {
    writing_bytes = waiting.size();
    writer.take(std::exchange(waiting, {}), std::exchange(waiting_count, 0));
    waiting.reserve(writing_bytes);  // as much will come again
  }
  Contracts unwritten = std::exchange(contracts, {});
  lock.unlock();
  write_contracts(unwritten);
  const std::uint64_t dropped_before = writer.counts().dropped;
  const bool is_written = writer.write();
  if (writer.is_open() && SteadyClock::now() >= writer.due()) writer.close();
  lock.lock();
  contracts.insert(contracts.end(), unwritten.begin(), unwritten.end());
  writing_bytes = writer.bytes_left();
  counts.written = writer.counts().written;
  counts.bytes = writer.counts().bytes;
  counts.files = writer.counts().files;
  counts.lost += writer.counts().dropped - dropped_before;
  counts.last_error = writer.last_error().empty() ? contract_error : writer.last_error();
  return is_written && unwritten.empty();
}

// Whether the disk did not take all; a change is told.
void ExposureLog::State::note(bool refused, std::unique_lock<std::mutex>& lock) {
  if (std::exchange(counts.refused, refused) == refused || !turn) return;
  const ExposureStatistics now = counts;
  lock.unlock();
  turn(now);
  lock.lock();
}

// Leaves those that the disk refused.
void ExposureLog::State::write_contracts(Contracts& unwritten) {
  std::erase_if(unwritten, [this](const auto& contract) {
    const auto& [version, json] = contract;
    const int error = write_contract(options.folder, version, json);
    if (error == 0) return true;
    contract_error = options.folder + "/" + contract_file_name(version) + ": " +
                     std::generic_category().message(error);
    return false;
  });
}

Status ExposureLog::start(const ExposureLogOptions& options, std::unique_ptr<ExposureLog>* log,
                          Turn turn) {
  if (Status status = check(options); !status) return status;
  auto state = std::make_unique<State>(options, std::move(turn));
  state->thread = std::thread(&State::work, state.get());
  log->reset(new ExposureLog(std::move(state)));
  return {};
}

ExposureLog::ExposureLog(std::unique_ptr<State> state) : state_(std::move(state)) {}

ExposureLog::~ExposureLog() {
  close();
  if (state_->process != getpid()) (void)state_.release();  // its thread is the parent's
}

void ExposureLog::record(const Exposure& exposure) {
  if (state_->process != getpid() || !is_sampled(exposure.request_id, state_->options.share)) {
    return;
  }
  const std::string record = delimited_record(exposure, unix_us());
  const std::lock_guard lock(state_->mutex);
  if (state_->stopping || state_->is_full(record.size())) {
    ++state_->counts.lost;
    return;
  }
  const bool was_empty = state_->waiting.empty();
  state_->waiting += record;
  ++state_->waiting_count;
  if (was_empty || state_->is_full(std::size_t(state_->options.queue_bytes) / 2)) {
    state_->wake.notify_one();
  }
}

void ExposureLog::describe(std::string_view model_version, std::string_view contract_json) {
  if (state_->process != getpid()) return;
  const std::lock_guard lock(state_->mutex);
  state_->contracts.emplace_back(model_version, contract_json);
  state_->wake.notify_one();
}

ExposureStatistics ExposureLog::statistics() const {
  if (state_->process != getpid()) return {};
  const std::lock_guard lock(state_->mutex);
  return state_->counts;
}

void ExposureLog::close() {
  if (state_->process != getpid()) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->wake.notify_one();
  }
  const std::lock_guard lock(state_->joining);
  if (state_->thread.joinable()) state_->thread.join();
}

}  // namespace gerank::exposures
