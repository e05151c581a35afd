// A Status as a Python exception: gerank._engine.StatusError.
#pragma once

#include <gerank/status.h>
#include <pybind11/pybind11.h>

namespace gerank {

// The exception type, made once by bind_status_error. Attributes of an instance: code (text),
// field, value, rule, retry_after_s.
void bind_status_error(pybind11::module_& module);

// Raises StatusError unless `status` is OK. The GIL must be held.
void raise_unless_ok(const Status& status);

}  // namespace gerank
