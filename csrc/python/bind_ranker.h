// Contract, Query and Ranker, for Python.
#pragma once

#include <gerank/ranker.h>
#include <pybind11/pybind11.h>

#include <memory>

namespace gerank {

// pybind11 holds pointers to what may change; a Ranker's methods are all const.
inline std::shared_ptr<Ranker> held(const std::shared_ptr<const Ranker>& ranker) {
  return std::const_pointer_cast<Ranker>(ranker);
}

void bind_ranker(pybind11::module_& module);

}  // namespace gerank
