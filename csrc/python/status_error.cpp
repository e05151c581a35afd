#include "status_error.h"

namespace py = pybind11;

namespace gerank {
namespace {

PyObject* status_error = nullptr;

}  // namespace

void bind_status_error(py::module_& module) {
  status_error = PyErr_NewExceptionWithDoc("gerank._engine.StatusError",
                                           "An outcome other than OK.\n\n"
                                           "Attributes:\n"
                                           "    code: As gRPC spells it: 'INVALID_ARGUMENT'.\n"
                                           "    field, value, rule: Of INVALID_ARGUMENT: where it "
                                           "is wrong, what is there, what should be.\n"
                                           "    retry_after_s: Of RESOURCE_EXHAUSTED; else 0.\n",
                                           PyExc_RuntimeError, nullptr);
  if (status_error == nullptr) throw py::error_already_set();
  module.attr("StatusError") = py::handle(status_error);
}

void raise_unless_ok(const Status& status) {
  if (status) return;
  // What the engine took over from a caller may be cut within a character.
  const auto text = [](const std::string& bytes) {
    return py::reinterpret_steal<py::object>(
        PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "replace"));
  };
  const py::object error = py::handle(status_error)(text(status.message()));
  error.attr("code") = code_name(status.code());
  error.attr("field") = text(status.field());
  error.attr("value") = text(status.value());
  error.attr("rule") = text(status.rule());
  error.attr("retry_after_s") = static_cast<double>(status.retry_after().count()) * 1e-6;
  PyErr_SetObject(status_error, error.ptr());
  throw py::error_already_set();
}

}  // namespace gerank
