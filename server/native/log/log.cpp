#include "log.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

namespace gerank::server {
namespace {

constexpr std::size_t kMostWaitingBytes = 256 << 10;
constexpr std::size_t kLongestMessage = 2000;
constexpr std::uint64_t kPerSecond = 100;  // lines of one event
constexpr std::chrono::seconds kSecond{1};

// How much of it standard error took. Waits as long as nobody reads.
std::size_t write_out(std::string_view text) {
  std::size_t written = 0;
  while (written < text.size()) {
    pollfd ready{STDERR_FILENO, POLLOUT, 0};
    if (poll(&ready, 1, -1) < 0 && errno != EINTR) break;
    const std::string_view part = text.substr(written, PIPE_BUF);
    const ssize_t size = write(STDERR_FILENO, part.data(), part.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size <= 0) break;
    written += std::size_t(size);
  }
  return written;
}

}  // namespace

Log::Log(LogLevel least, LogFormat format) : process_(getpid()), least_(least), format_(format) {}

Log& Log::of_process() {
  static std::atomic<Log*> current{new Log(LogLevel::kWarning, LogFormat::kText)};
  Log* log = current;
  if (log->process_ == getpid()) return *log;
  // A fork made this process: the thread that writes is missing, and the lock may be held for ever.
  auto* const own = new Log(log->least_, log->format_);
  if (current.compare_exchange_strong(log, own)) return *own;
  delete own;
  return *log;
}

void Log::configure(LogLevel least, LogFormat format) {
  least_ = least;
  format_ = format;
}

void Log::tell(LogLevel level, std::string_view event, std::string_view message,
               std::initializer_list<LogField> fields) {
  if (!tells(level)) return;
  {
    const std::lock_guard lock(mutex_);
    if (!may_tell(event)) return;
  }
  std::string line = log_line(format_, level, event, message.substr(0, kLongestMessage), fields);
  const std::lock_guard lock(mutex_);
  if (waiting_bytes_ + line.size() > kMostWaitingBytes || !start_writer()) {
    ++counts_.dropped;
    ++untold_dropped_;
    return;
  }
  push(std::move(line));
  came_.notify_one();
}

bool Log::may_tell(std::string_view event) {
  const TimePoint now = std::chrono::steady_clock::now();
  Rate& rate = rates_[event];
  if (now - rate.second >= kSecond && rate.suppressed == 0) rate = {now, 0, 0};
  if (rate.told < kPerSecond) {
    ++rate.told;
    return true;
  }
  ++rate.suppressed;
  ++counts_.suppressed;
  if (!std::exchange(any_suppressed_, true)) came_.notify_one();
  return false;
}

bool Log::start_writer() {
  if (has_writer_) return true;
  try {
    std::thread([this] { write_all(); }).detach();  // the log outlives it
  } catch (const std::system_error&) {
    return false;
  }
  has_writer_ = true;
  return true;
}

void Log::push(std::string line) {
  waiting_bytes_ += line.size();
  waiting_.push_back(std::move(line));
}

void Log::write_all() {
  pthread_setname_np(pthread_self(), "gerank-log");
  sigset_t all;  // SIGPIPE, where nobody reads, and those that are for other threads
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  std::unique_lock lock(mutex_);
  for (;;) {
    if (waiting_.empty()) {
      written_.notify_all();
      if (any_suppressed_) {
        came_.wait_for(lock, kSecond);
      } else {
        came_.wait(lock, [this] { return !waiting_.empty() || any_suppressed_; });
      }
    }
    tell_of_suppressed(std::chrono::steady_clock::now() - kSecond);
    while (!waiting_.empty()) {
      const std::string line = std::move(waiting_.front());
      waiting_.pop_front();
      writing_ = true;
      lock.unlock();
      const bool written = write_line(line);
      lock.lock();
      writing_ = false;
      waiting_bytes_ -= line.size();
      ++(written ? counts_.written : counts_.dropped);
      untold_dropped_ += !written;
      if (written && untold_dropped_ > 0) tell_of_dropped();
    }
  }
}

// Whether standard error took all of it. A disk that is full may have taken a part of the line
// before: this one then begins behind an end of its own.
bool Log::write_line(const std::string& line) {
  const std::string text = is_torn_ ? "\n" + line : line;
  const std::size_t written = write_out(text);
  if (written > 0) is_torn_ = text[written - 1] != '\n';
  return written == text.size();
}

void Log::tell_of_suppressed(TimePoint began_before) {
  any_suppressed_ = false;
  for (auto& [event, rate] : rates_) {
    if (rate.suppressed == 0) continue;
    if (rate.second > began_before) {
      any_suppressed_ = true;
      continue;
    }
    push(log_line(format_, LogLevel::kWarning, "log_suppressed",
                  std::to_string(rate.suppressed) + " lines of the event " + std::string(event) +
                      " were not told: more than " + std::to_string(kPerSecond) +
                      " came in a second",
                  {{"lines", std::int64_t(rate.suppressed)}, {"of", event}}));
    rate = {};
  }
}

void Log::tell_of_dropped() {
  push(log_line(format_, LogLevel::kWarning, "log_dropped",
                std::to_string(untold_dropped_) + " lines were lost: standard error did not take "
                                                  "them in time",
                {{"lines", std::int64_t(untold_dropped_)}}));
  untold_dropped_ = 0;
}

void Log::flush(std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  if (!has_writer_) return;
  tell_of_suppressed(TimePoint::max());
  came_.notify_one();
  written_.wait_for(lock, at_most, [this] { return waiting_.empty() && !writing_; });
}

LogCounts Log::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace gerank::server
