// A padded batch that is numpy arrays, and its answer.
#pragma once

#include <gerank/model.h>
#include <gerank/ranker.h>
#include <pybind11/pybind11.h>

namespace gerank {

// Answers the fields of a gerank.data.batch.RerankBatch, arrays, with those of a Slates. Raises
// ValueError where one has not the shape that the others give it, else as Ranker::run. Without the
// GIL while the model runs.
pybind11::tuple run_arrays(const Ranker& ranker, const pybind11::tuple& fields);

}  // namespace gerank
