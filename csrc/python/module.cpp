// gerank._engine: the engine, for Python. Everything here is a thin shell; the documentation for
// callers is that of gerank/ranker.py and gerank/engine.py.

#include <gerank/engine.h>
#include <gerank/option_ranges.h>
#include <gerank/ranker.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bind_ranker.h"
#include "call_content.h"
#include "python_call.h"
#include "python_exposure_log.h"
#include "python_query.h"
#include "signals.h"
#include "status_error.h"

namespace py = pybind11;

namespace gerank {
namespace {

// Frees an engine without the GIL, which the callbacks of its last calls may want.
struct Release {
  void operator()(Engine* engine) const {
    const py::gil_scoped_release no_gil;
    delete engine;
  }
};

// An option as the engine's type, which may be narrower or have no sign: checked before.
template <typename T>
void read_option(const char* field, const OptionRange& range, std::int64_t given, T* option) {
  raise_unless_ok(range.check(field, given));
  *option = static_cast<T>(given);
}

std::shared_ptr<Engine> start(std::int64_t workers, std::int64_t intra_op_threads,
                              std::int64_t max_batch, std::int64_t max_batch_candidates,
                              std::int64_t max_delay_us, std::int64_t spin_us,
                              std::int64_t max_queue, std::int64_t max_queries,
                              bool ignore_unknown_features) {
  namespace ranges = option_ranges;
  EngineOptions options;
  read_option("workers", ranges::kWorkers, workers, &options.workers);
  read_option("intra_op_threads", ranges::kIntraOpThreads, intra_op_threads,
              &options.intra_op_threads);
  read_option("max_batch", ranges::kMaxBatch, max_batch, &options.max_batch);
  read_option("max_batch_candidates", ranges::kMaxBatchCandidates, max_batch_candidates,
              &options.max_batch_candidates);
  read_option("max_delay_us", ranges::kMaxDelayUs, max_delay_us, &options.max_delay);
  read_option("spin_us", ranges::kSpinUs, spin_us, &options.spin);
  read_option("max_queue", ranges::kMaxQueue, max_queue, &options.max_queue);
  read_option("max_queries", ranges::kMaxQueries, max_queries, &options.max_queries);
  if (ignore_unknown_features) options.unknown_features = UnknownFeatures::kIgnore;
  std::unique_ptr<Engine> engine;
  raise_unless_ok(Engine::start(options, &engine));
  return {engine.release(), Release{}};
}

void publish(Engine& engine, const std::string& name, const std::shared_ptr<Ranker>& ranker,
             bool keep_old) {
  Status status;
  {
    const py::gil_scoped_release no_gil;
    status = engine.publish(name, ranker, keep_old);
  }
  raise_unless_ok(status);
}

void drain(Engine& engine) {
  Status status;
  wait_for_signals_too([&](auto time) {
    status = engine.drain(Microseconds(time));
    return status.code() != Code::kDeadlineExceeded;
  });
  raise_unless_ok(status);
}

void stop(Engine& engine, double grace_s) {
  raise_unless_ok(engine.may_wait("stop"));
  const std::chrono::duration<double> grace(grace_s > 0 ? std::min(grace_s, 1e8) : 0.0);
  const TimePoint until = Clock::steady().now() + std::chrono::duration_cast<Microseconds>(grace);
  wait_for_signals_too([&](auto time) {
    const auto left = std::chrono::ceil<Microseconds>(until - Clock::steady().now());
    const bool last = left <= time;
    const auto span = std::clamp(left, Microseconds{0}, Microseconds(time));
    return engine.drain(span).code() != Code::kDeadlineExceeded || last;
  });
  const py::gil_scoped_release no_gil;
  engine.stop();
}

// Raises where the engine belongs to another process.
const Engine& usable(const Engine& engine) {
  raise_unless_ok(engine.usable());
  return engine;
}

py::dict histogram_dict(const EngineStats::Histogram& histogram) {
  py::dict out;
  out["buckets"] = std::vector<std::uint64_t>(histogram.buckets.begin(), histogram.buckets.end());
  out["count"] = histogram.count;
  out["sum"] = histogram.sum;
  return out;
}

py::dict stats_dict(const Engine& engine) {
  const EngineStats stats = usable(engine).stats();
  py::dict out;
  out["accepted"] = stats.accepted;
  out["answered"] = stats.answered;
  out["malformed"] = stats.malformed;
  out["refused"] = stats.refused;
  out["expired"] = stats.expired;
  out["cancelled"] = stats.cancelled;
  out["failed"] = stats.failed;
  out["batches"] = stats.batches;
  out["swaps"] = stats.swaps;
  out["ignored_features"] = stats.ignored_features;
  out["queued"] = stats.queued;
  out["running"] = stats.running;
  out["batch_queries"] = histogram_dict(stats.batch_queries);
  out["queue_us"] = histogram_dict(stats.queue_us);
  out["batch_us"] = histogram_dict(stats.batch_us);
  out["model_us"] = histogram_dict(stats.model_us);
  return out;
}

py::list models_list(const Engine& engine) {
  py::list out;
  for (const PublishedModel& model : usable(engine).models()) {
    out.append(py::make_tuple(model.name, model.version, model.current, model.is_default));
  }
  return out;
}

std::unique_ptr<PythonCall> new_call(std::shared_ptr<Engine> engine, const py::list& queries,
                                     std::string model, std::string version,
                                     const py::object& timeout_s) {
  const TimePoint deadline = deadline_after(usable(*engine), timeout_s);
  auto content = queries_content(queries, std::move(model), std::move(version), deadline);
  return std::make_unique<PythonCall>(std::move(engine), std::move(content));
}

std::unique_ptr<PythonCall> serve(std::shared_ptr<Engine> engine, py::bytes message,
                                  const py::object& timeout_s) {
  const TimePoint deadline = deadline_after(usable(*engine), timeout_s);
  auto content = message_content(*engine, std::move(message), deadline);
  return std::make_unique<PythonCall>(std::move(engine), std::move(content));
}

void bind_engine(py::module_& module) {
  const EngineOptions standard;
  py::class_<PythonCall>(module, "Call")
      .def("rank", &PythonCall::rank)
      .def("submit", &PythonCall::submit, py::arg("callback") = py::none())
      .def("cancel", &PythonCall::cancel)
      .def("done", &PythonCall::done)
      .def("wait", &PythonCall::wait)
      .def_property_readonly("model", &PythonCall::model)
      .def_property_readonly("model_version", &PythonCall::model_version);

  py::class_<Engine, std::shared_ptr<Engine>>(module, "Engine")
      .def(py::init(&start), py::kw_only(), py::arg("workers") = standard.workers,
           py::arg("intra_op_threads") = standard.intra_op_threads,
           py::arg("max_batch") = standard.max_batch,
           py::arg("max_batch_candidates") = standard.max_batch_candidates,
           py::arg("max_delay_us") = standard.max_delay.count(),
           py::arg("spin_us") = standard.spin.count(), py::arg("max_queue") = standard.max_queue,
           py::arg("max_queries") = standard.max_queries,
           py::arg("ignore_unknown_features") = false)
      .def("call", &new_call, py::arg("queries"), py::kw_only(), py::arg("model") = "",
           py::arg("version") = "", py::arg("timeout_s") = py::none())
      .def("serve", &serve, py::arg("message"), py::arg("timeout_s") = py::none())
      .def("publish", &publish, py::arg("name"), py::arg("ranker"), py::arg("keep_old") = false)
      .def("make_current",
           [](Engine& engine, const std::string& name, const std::string& version) {
             raise_unless_ok(engine.make_current(name, version));
           })
      .def(
          "retire",
          [](Engine& engine, const std::string& name, const std::string& version) {
            raise_unless_ok(engine.retire(name, version));
          },
          py::arg("name"), py::arg("version") = "")
      .def(
          "find",
          [](const Engine& engine, const std::string& name, const std::string& version) {
            return held(usable(engine).find(name, version));
          },
          py::arg("name") = "", py::arg("version") = "")
      .def("models", &models_list)
      .def("stats", &stats_dict)
      .def("drain", &drain)
      .def("stop", &stop, py::arg("grace_s") = 0.0)
      .def("may_wait", [](const Engine& engine,
                          const std::string& method) { raise_unless_ok(engine.may_wait(method)); })
      .def_property_readonly("usable", [](const Engine& engine) { return engine.usable().ok(); });
}

}  // namespace
}  // namespace gerank

PYBIND11_MODULE(_engine, module) {
  module.doc() = "The C++ engine. Use gerank.load and gerank.engine.";
  gerank::bind_status_error(module);
  gerank::bind_ranker(module);
  gerank::bind_engine(module);
  gerank::bind_exposure_log(module);
}
