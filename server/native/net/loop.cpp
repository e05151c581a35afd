#include "loop.h"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace gerank::server {
namespace {

void check(int result, const char* what) {
  if (result != 0) throw std::runtime_error(std::string(what) + ": " + uv_strerror(result));
}

template <typename Handle>
uv_handle_t* as_handle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

Loop::Loop() {
  check(uv_loop_init(&loop_), "no event loop");
  const auto run_posted = [](uv_async_t* wake) { static_cast<Loop*>(wake->data)->run_posted(); };
  check(uv_async_init(&loop_, &wake_, run_posted), "no wake-up for an event loop");
  uv_check_init(&loop_, &after_poll_);
  uv_prepare_init(&loop_, &before_poll_);
  wake_.data = after_poll_.data = before_poll_.data = this;
  uv_check_start(&after_poll_, [](uv_check_t* at) {
    Loop& loop = *static_cast<Loop*>(at->data);
    if (loop.turn_end_) loop.turn_end_();
  });
  uv_prepare_start(&before_poll_, [](uv_prepare_t* at) {
    Loop& loop = *static_cast<Loop*>(at->data);
    if (loop.turn_end_) loop.turn_end_();
  });
}

Loop::~Loop() {
  turn_end_ = nullptr;
  uv_close(as_handle(&wake_), nullptr);
  uv_close(as_handle(&after_poll_), nullptr);
  uv_close(as_handle(&before_poll_), nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);  // until all handles are closed
  uv_loop_close(&loop_);
}

void Loop::run() {
  uv_run(&loop_, UV_RUN_DEFAULT);
  run_posted();
}

void Loop::stop() { uv_stop(&loop_); }

void Loop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
    if (posted_.size() > 1) return;  // the loop has been woken
  }
  uv_async_send(&wake_);
}

void Loop::run_posted() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(posted_);
  }
  for (const auto& task : running_) task();
  running_.clear();
}

struct Timer::Handle {
  uv_timer_t timer;
  std::function<void()> task;
};

Timer::Timer(Loop& loop, std::function<void()> task) : handle_(new Handle{{}, std::move(task)}) {
  uv_timer_init(loop.handle(), &handle_->timer);
  handle_->timer.data = handle_;
}

Timer::~Timer() {
  uv_close(as_handle(&handle_->timer),
           [](uv_handle_t* handle) { delete static_cast<Handle*>(handle->data); });
}

void Timer::start(std::uint64_t delay_ms, std::uint64_t repeat_ms) {
  uv_update_time(handle_->timer.loop);
  uv_timer_start(
      &handle_->timer, [](uv_timer_t* timer) { static_cast<Handle*>(timer->data)->task(); },
      delay_ms, repeat_ms);
}

void Timer::stop() { uv_timer_stop(&handle_->timer); }

bool Timer::is_set() const { return uv_is_active(as_handle(&handle_->timer)) != 0; }

struct SocketPoll::Handle {
  void start() { uv_poll_start(&poll, events, tell); }

  static void tell(uv_poll_t* poll, int status, int told) {
    Handle& handle = *static_cast<Handle*>(poll->data);
    // libuv has stopped watching a socket that failed. The error is told by the next read, or by a
    // later one where bytes came before it.
    if (status < 0) handle.start();
    handle.ready(status < 0 ? UV_READABLE | UV_WRITABLE : told);
  }

  uv_poll_t poll;
  std::function<void(int)> ready;
  int events = 0;
};

SocketPoll::SocketPoll(Loop& loop, int descriptor, std::function<void(int)> ready)
    : handle_(new Handle{{}, std::move(ready), 0}) {
  const int result = uv_poll_init(loop.handle(), &handle_->poll, descriptor);
  if (result != 0) delete handle_;
  check(result, "a socket cannot be watched");
  handle_->poll.data = handle_;
}

SocketPoll::~SocketPoll() {
  uv_close(as_handle(&handle_->poll),
           [](uv_handle_t* handle) { delete static_cast<Handle*>(handle->data); });
}

void SocketPoll::watch(int events) {
  if (events == handle_->events) return;
  handle_->events = events;
  if (events == 0) {
    uv_poll_stop(&handle_->poll);
  } else {
    handle_->start();
  }
}

}  // namespace gerank::server
