// The event loop of one front thread, over libuv.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace gerank::server {

// A turn is one wake-up: all that has become readable, the tasks that others posted, the timers.
//
// Used by the thread that runs it, but for post().
class Loop {
 public:
  Loop();
  ~Loop();  // after run() has returned, or where it never ran; every Timer and SocketPoll is gone
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Serves until stop(), and then runs what was posted before.
  void run();
  void stop();

  // Lets the loop's thread run a task soon. Thread-safe. A task that is posted after run() has
  // returned never runs.
  void post(std::function<void()> task);

  // `task` runs at the end of every turn, before the loop waits again.
  void at_turn_end(std::function<void()> task) { turn_end_ = std::move(task); }

  uv_loop_t* handle() { return &loop_; }

 private:
  void run_posted();

  uv_loop_t loop_;
  uv_async_t wake_;
  uv_check_t after_poll_;
  uv_prepare_t before_poll_;  // timers come after the last check
  std::function<void()> turn_end_;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
  std::vector<std::function<void()>> running_;
};

// Calls `task` on the loop's thread when its time has come.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> task);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Lets the task run in `delay_ms`, and then every `repeat_ms` unless that is 0. What was set
  // before is void.
  void start(std::uint64_t delay_ms, std::uint64_t repeat_ms = 0);
  void stop();
  bool is_set() const;

 private:
  struct Handle;
  Handle* handle_;  // freed by the loop
};

// Tells when a socket can be read or written.
class SocketPoll {
 public:
  // `ready` gets UV_READABLE and UV_WRITABLE, those that hold; both where the socket failed, again
  // and again until somebody has read the error.
  SocketPoll(Loop& loop, int descriptor, std::function<void(int)> ready);
  ~SocketPoll();  // the descriptor may be closed then
  SocketPoll(const SocketPoll&) = delete;
  SocketPoll& operator=(const SocketPoll&) = delete;

  // Which of the two are to be told from now on.
  void watch(int events);

 private:
  struct Handle;
  Handle* handle_;  // freed by the loop
};

}  // namespace gerank::server
