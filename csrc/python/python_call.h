// One call of Python's to an engine: its content, and whoever waits for its end.
#pragma once

#include <gerank/engine.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "call_content.h"

namespace gerank {

// When a call is to end that may wait so many seconds; None is no deadline.
TimePoint deadline_after(const Engine& engine, const pybind11::object& timeout_s);

// Thread-safe as its engine is. Made and freed with the GIL held.
class PythonCall {
 public:
  PythonCall(std::shared_ptr<Engine> engine, std::unique_ptr<CallContent> content);

  // Cancels the call, if it was submitted and has not ended. Does not wait: what a worker has taken
  // keeps what it needs until it has ended.
  ~PythonCall();

  PythonCall(const PythonCall&) = delete;
  PythonCall& operator=(const PythonCall&) = delete;

  // The blocking form. Returns the content's answer. A signal handler that raises ends the wait,
  // and cancels the call.
  pybind11::object rank();

  // The other form: submit() once, then wait(), cancel() or done() in any order, from any thread.
  // `callback`, if not None, is called without arguments when the call has ended. A signal handler
  // that raises ends a wait, and not the call.
  void submit(const pybind11::object& callback);
  bool cancel();
  bool done() const;
  pybind11::object wait();

  // The name of a model that the call gives, and the version that answered once it has ended.
  std::string model() const;
  std::string model_version() const;

 private:
  struct Shared;  // with the engine, while the call is in it

  void begin(const pybind11::object& callback);

  const std::shared_ptr<Shared> shared_;
};

}  // namespace gerank
