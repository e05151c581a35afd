// One call of Python's to an engine: its queries, its answer, and whoever waits for it.
#pragma once

#include <gerank/engine.h>
#include <pybind11/pybind11.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

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

  // Cancels the call, if it was submitted and has not ended, and waits for its end.
  ~PythonCall();

  PythonCall(const PythonCall&) = delete;
  PythonCall& operator=(const PythonCall&) = delete;

  // The blocking form. Returns (slates, model_version, (queue_us, batch_us, model_us)).
  pybind11::tuple rank();

  // The other form: submit() once, then wait(), cancel() or done() in any order, from any thread.
  // `callback`, if not None, is called without arguments when the call has ended.
  void submit(const pybind11::object& callback);
  bool cancel();
  bool done() const;
  pybind11::tuple wait();

 private:
  pybind11::tuple answer(const Status& status) const;
  void end(const Status& status);

  const std::shared_ptr<Engine> engine_;
  const pybind11::list kept_;
  const std::string model_, version_;
  std::vector<Query> queries_;
  Call call_;
  pybind11::object callback_;

  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool submitted_ = false, over_ = true;
  Status outcome_;
};

}  // namespace gerank
