// One call of Python's to an engine: its queries, its answer, and whoever waits for it.
#pragma once

#include <gerank/engine.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include "python_query.h"

namespace gerank {

// (slots, candidates, log_prob, relaxed, seed)
pybind11::tuple slate_tuple(const Slate& slate);

// Thread-safe as its engine is. Made and freed with the GIL held.
class PythonCall {
 public:
  // `queries` are PythonQuery objects. timeout_s: None is no deadline.
  PythonCall(std::shared_ptr<Engine> engine, const pybind11::list& queries, std::string model,
             std::string version, const pybind11::object& timeout_s);

  // Cancels the call, if it was submitted and has not ended. Does not wait: what a worker has taken
  // keeps what it needs until it has ended.
  ~PythonCall();

  PythonCall(const PythonCall&) = delete;
  PythonCall& operator=(const PythonCall&) = delete;

  // The blocking form. Returns (slates, model_version, (queue_us, batch_us, model_us)). A signal
  // handler that raises ends the wait, and cancels the call.
  pybind11::tuple rank();

  // The other form: submit() once, then wait(), cancel() or done() in any order, from any thread.
  // `callback`, if not None, is called without arguments when the call has ended. A signal handler
  // that raises ends a wait, and not the call.
  void submit(const pybind11::object& callback);
  bool cancel();
  bool done() const;
  pybind11::tuple wait();

 private:
  struct Shared;  // with the engine, while the call is in it

  void begin(const pybind11::object& callback);

  const std::shared_ptr<Shared> shared_;
};

}  // namespace gerank
