#include "python_call.h"

#include <pybind11/stl.h>

#include <chrono>
#include <utility>

#include "status_error.h"

namespace py = pybind11;

namespace gerank {
namespace {

constexpr double kLongestTimeoutS = 1e8;  // three years; beyond, a deadline is none

TimePoint deadline_after(const Engine& engine, const py::object& timeout_s) {
  if (timeout_s.is_none()) return kNever;
  const double seconds = timeout_s.cast<double>();
  if (!(seconds < kLongestTimeoutS)) return kNever;
  const auto span = std::chrono::duration<double>(std::max(seconds, 0.0));
  return engine.options().clock->now() + std::chrono::duration_cast<TimePoint::duration>(span);
}

}  // namespace

py::tuple slate_tuple(const Slate& slate) {
  return py::make_tuple(
      py::tuple(py::cast(slate.slots)), py::tuple(py::cast(slate.candidates)),
      py::tuple(py::cast(slate.log_prob)),
      py::tuple(py::cast(std::vector<int>(slate.relaxed.begin(), slate.relaxed.end()))),
      slate.seed);
}

PythonCall::PythonCall(std::shared_ptr<Engine> engine, const py::list& queries, std::string model,
                       std::string version, const py::object& timeout_s)
    : engine_(std::move(engine)),
      kept_(queries.attr("copy")()),
      model_(std::move(model)),
      version_(std::move(version)) {
  for (const py::handle query : kept_) queries_.push_back(query.cast<const PythonQuery&>().query());
  call_.queries = queries_;
  call_.model = model_;
  call_.version = version_;
  call_.deadline = deadline_after(*engine_, timeout_s);
}

PythonCall::~PythonCall() {
  const py::gil_scoped_release no_gil;
  engine_->cancel(&call_);
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return over_; });
}

py::tuple PythonCall::rank() {
  Status status;
  {
    const py::gil_scoped_release no_gil;
    status = engine_->rank(&call_);
  }
  return answer(status);
}

void PythonCall::submit(const py::object& callback) {
  {
    const std::lock_guard lock(mutex_);
    if (submitted_) throw py::value_error("a call is submitted once");
    submitted_ = true;
    over_ = false;
  }
  callback_ = callback;
  const py::gil_scoped_release no_gil;
  engine_->submit(&call_, [this](Call*, const Status& status) { end(status); });
}

void PythonCall::end(const Status& status) {
  py::object callback;
  if (!callback_.is_none()) {
    const py::gil_scoped_acquire gil;
    callback = std::move(callback_);
    callback_ = py::none();
  }
  {
    const std::lock_guard lock(mutex_);
    outcome_ = status;
    over_ = true;
    ended_.notify_all();  // under the lock: whoever waits may free this at once
  }
  if (!callback) return;
  const py::gil_scoped_acquire gil;
  try {
    callback();
  } catch (py::error_already_set& error) {
    error.discard_as_unraisable("the callback of a gerank call");
  }
  callback = py::object();
}

bool PythonCall::cancel() {
  const py::gil_scoped_release no_gil;
  return engine_->cancel(&call_);
}

bool PythonCall::done() const {
  const std::lock_guard lock(mutex_);
  return submitted_ && over_;
}

py::tuple PythonCall::wait() {
  Status status;
  {
    const py::gil_scoped_release no_gil;
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return over_; });
    status = outcome_;
  }
  return answer(status);
}

py::tuple PythonCall::answer(const Status& status) const {
  raise_unless_ok(status);
  py::list slates;
  for (const Slate& slate : call_.slates) slates.append(slate_tuple(slate));
  const Timing& timing = call_.timing;
  return py::make_tuple(slates, call_.model_version,
                        py::make_tuple(timing.queue_us, timing.batch_us, timing.model_us));
}

}  // namespace gerank
