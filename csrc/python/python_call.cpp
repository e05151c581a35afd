#include "python_call.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "signals.h"
#include "status_error.h"

namespace py = pybind11;

namespace gerank {
namespace {

constexpr double kLongestTimeoutS = 1e8;  // three years; beyond, a deadline is none

}  // namespace

TimePoint deadline_after(const Engine& engine, const py::object& timeout_s) {
  if (timeout_s.is_none()) return kNever;
  const double seconds = timeout_s.cast<double>();
  if (!(seconds < kLongestTimeoutS)) return kNever;
  const auto span = std::chrono::duration<double>(std::max(seconds, 0.0));
  return engine.options().clock->now() + std::chrono::duration_cast<TimePoint::duration>(span);
}

// Freed by whoever comes last: Python, or a thread of the engine.
struct PythonCall::Shared {
  static std::shared_ptr<Shared> make() {
    return {new Shared, [](Shared* shared) {
              if (is_finalizing() && PyGILState_Check() == 0) return;
              const py::gil_scoped_acquire gil;
              delete shared;
            }};
  }

  bool wait_for(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    return ended.wait_for(lock, time, [this] { return over; });
  }

  bool is_over() const {
    const std::lock_guard lock(mutex);
    return over;
  }

  void end(const Status& status);
  py::object answer() const;

  std::shared_ptr<Engine> engine;
  std::unique_ptr<CallContent> content;
  py::object callback;

  mutable std::mutex mutex;
  std::condition_variable ended;
  bool submitted = false, over = true;
  Status outcome;
};

PythonCall::PythonCall(std::shared_ptr<Engine> engine, std::unique_ptr<CallContent> content)
    : shared_(Shared::make()) {
  shared_->engine = std::move(engine);
  shared_->content = std::move(content);
}

PythonCall::~PythonCall() { cancel(); }

void PythonCall::begin(const py::object& callback) {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->submitted) throw py::value_error("a call is submitted once");
  shared_->submitted = true;
  shared_->over = false;
  shared_->callback = callback;
}

py::object PythonCall::rank() {
  raise_unless_ok(shared_->engine->may_wait("rank"));
  begin(py::none());
  const auto done = [shared = shared_](Call*, const Status& status) { shared->end(status); };
  {
    const py::gil_scoped_release no_gil;
    shared_->engine->submit_or_run(&shared_->content->call(), done);
  }
  try {
    wait_for_signals_too([this](auto time) { return shared_->wait_for(time); });
  } catch (const py::error_already_set&) {
    cancel();
    throw;
  }
  return shared_->answer();
}

void PythonCall::submit(const py::object& callback) {
  raise_unless_ok(shared_->engine->usable());
  begin(callback);
  const auto done = [shared = shared_](Call*, const Status& status) { shared->end(status); };
  const py::gil_scoped_release no_gil;
  shared_->engine->submit(&shared_->content->call(), done);
}

void PythonCall::Shared::end(const Status& status) {
  py::object wanted;
  if (callback && !callback.is_none() && !is_finalizing()) {
    const py::gil_scoped_acquire gil;
    wanted = std::exchange(callback, py::none());
  }
  {
    const std::lock_guard lock(mutex);
    outcome = status;
    over = true;
    ended.notify_all();
  }
  if (!wanted) return;
  const py::gil_scoped_acquire gil;
  try {
    wanted();
  } catch (py::error_already_set& error) {
    error.discard_as_unraisable("the callback of a gerank call");
  }
  wanted = py::object();
}

bool PythonCall::cancel() {
  const py::gil_scoped_release no_gil;
  return shared_->engine->cancel(&shared_->content->call());
}

bool PythonCall::done() const {
  raise_unless_ok(shared_->engine->usable());
  const std::lock_guard lock(shared_->mutex);
  return shared_->submitted && shared_->over;
}

py::object PythonCall::wait() {
  raise_unless_ok(shared_->engine->usable());
  if (!shared_->is_over()) {
    raise_unless_ok(shared_->engine->may_wait("wait"));
    wait_for_signals_too([this](auto time) { return shared_->wait_for(time); });
  }
  return shared_->answer();
}

std::string PythonCall::model() const { return std::string(shared_->content->call().model); }

std::string PythonCall::model_version() const {
  return done() ? shared_->content->call().model_version : std::string();
}

py::object PythonCall::Shared::answer() const {
  raise_unless_ok(outcome);
  return content->answer();
}

}  // namespace gerank
