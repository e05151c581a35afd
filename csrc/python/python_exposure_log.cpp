#include "python_exposure_log.h"

#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "exposures/exposure_log.h"
#include "status_error.h"

namespace py = pybind11;

namespace gerank {
namespace {

using exposures::ExposureLog;
using exposures::ExposureLogOptions;
using exposures::ExposureStatistics;

// Frees a log without the GIL, since its end waits for a disk.
struct Release {
  void operator()(ExposureLog* log) const {
    const py::gil_scoped_release no_gil;
    delete log;
  }
};

std::shared_ptr<ExposureLog> start(const std::string& folder, double share, std::int64_t file_bytes,
                                   std::int64_t file_s, std::int64_t queue_bytes,
                                   std::int64_t max_bytes) {
  std::unique_ptr<ExposureLog> log;
  raise_unless_ok(
      ExposureLog::start({folder, share, file_bytes, file_s, queue_bytes, max_bytes}, &log));
  return {log.release(), Release{}};
}

py::dict statistics(const ExposureLog& log) {
  const ExposureStatistics counts = log.statistics();
  py::dict told;
  told["written"] = counts.written;
  told["lost"] = counts.lost;
  told["bytes"] = counts.bytes;
  told["files"] = counts.files;
  told["refused"] = counts.refused;
  told["last_error"] = py::reinterpret_steal<py::object>(PyUnicode_DecodeFSDefaultAndSize(
      counts.last_error.data(), Py_ssize_t(counts.last_error.size())));  // it names a path
  return told;
}

}  // namespace

void bind_exposure_log(py::module_& module) {
  const ExposureLogOptions standard;
  py::class_<ExposureLog, std::shared_ptr<ExposureLog>>(module, "ExposureLog")
      .def(py::init(&start), py::arg("folder"), py::kw_only(), py::arg("share") = standard.share,
           py::arg("file_bytes") = standard.file_bytes, py::arg("file_s") = standard.file_s,
           py::arg("queue_bytes") = standard.queue_bytes, py::arg("max_bytes") = standard.max_bytes)
      .def(
          "record",
          [](ExposureLog& log, const std::string& request_id, const std::string& model,
             const std::string& model_version, const std::string& arm, const py::bytes& request,
             const py::bytes& response) {
            log.record({request_id, model, model_version, arm, std::string_view(request),
                        std::string_view(response)});
          },
          py::kw_only(), py::arg("request_id"), py::arg("model"), py::arg("model_version"),
          py::arg("arm"), py::arg("request"), py::arg("response"))
      .def("describe", &ExposureLog::describe, py::arg("model_version"), py::arg("contract_json"))
      .def("statistics", &statistics)
      .def("close", &ExposureLog::close, py::call_guard<py::gil_scoped_release>());
}

}  // namespace gerank
