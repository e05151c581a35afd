// A model written in Python: for tests, and for whatever is no artifact yet.
#pragma once

#include <gerank/model.h>
#include <pybind11/pybind11.h>

namespace gerank {

// The fields of a gerank.data.batch.RerankBatch as numpy arrays, copied.
pybind11::tuple batch_arrays(const PaddedBatch& batch);

// Calls a function with the fields of a gerank.data.batch.RerankBatch as numpy arrays, which are
// gone when it returns; it returns those of a Slates. Takes the GIL while it does.
class PythonModel : public Model {
 public:
  explicit PythonModel(pybind11::function function) : function_(std::move(function)) {}
  ~PythonModel() override;

  Status run(const PaddedBatch& batch, const PaddedAnswer& answer) const override;

 private:
  pybind11::function function_;
};

}  // namespace gerank
