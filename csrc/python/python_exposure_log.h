// gerank._engine.ExposureLog, for the front in Python.
#pragma once

#include <pybind11/pybind11.h>

namespace gerank {

void bind_exposure_log(pybind11::module_& module);

}  // namespace gerank
