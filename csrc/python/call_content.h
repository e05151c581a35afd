// What a call of Python's asks, and how Python is told the answer: as objects, or as bytes.
#pragma once

#include <gerank/engine.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <string>

namespace gerank {

// (rule, name, wanted, got, slots)
pybind11::tuple unmet_tuple(const Unmet& rule);

// (slots, candidates, log_prob, relaxed, seed, [unmet_tuple])
pybind11::tuple slate_tuple(const Slate& slate);

// Made, freed and asked for its answer with the GIL held.
class CallContent {
 public:
  virtual ~CallContent() = default;

  virtual Call& call() = 0;

  // The answer to a call that ended with OK.
  virtual pybind11::object answer() const = 0;
};

// `queries` are PythonQuery objects. The answer is (slates, model_version, (queue_us, batch_us,
// model_us)).
std::unique_ptr<CallContent> queries_content(const pybind11::list& queries, std::string model,
                                             std::string version, TimePoint deadline);

// `message` is a serialized RerankRequest, and the answer a serialized RerankResponse. Raises
// StatusError if the message is none, or `engine` does not expect to take it.
std::unique_ptr<CallContent> message_content(Engine& engine, pybind11::bytes message,
                                             TimePoint deadline);

}  // namespace gerank
