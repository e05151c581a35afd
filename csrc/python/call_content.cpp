#include "call_content.h"

#include <pybind11/stl.h>

#include <string_view>
#include <utility>
#include <vector>

#include "python_query.h"
#include "status_error.h"
#include "wire/name_memo.h"
#include "wire/received_request.h"

namespace py = pybind11;

namespace gerank {
namespace {

class QueriesContent : public CallContent {
 public:
  QueriesContent(const py::list& queries, std::string model, std::string version)
      : kept_(queries.attr("copy")()), model_(std::move(model)), version_(std::move(version)) {
    for (const py::handle query : kept_) {
      queries_.push_back(query.cast<const PythonQuery&>().query());
    }
    call_.queries = queries_;
    call_.model = model_;
    call_.version = version_;
  }

  Call& call() override { return call_; }

  py::object answer() const override {
    py::list slates;
    for (const Slate& slate : call_.slates) slates.append(slate_tuple(slate));
    const Timing& timing = call_.timing;
    return py::make_tuple(slates, call_.model_version,
                          py::make_tuple(timing.queue_us, timing.batch_us, timing.model_us));
  }

 private:
  py::list kept_;
  std::string model_, version_;
  std::vector<Query> queries_;
  Call call_;
};

class MessageContent : public CallContent {
 public:
  explicit MessageContent(py::bytes message) : message_(std::move(message)) {}

  Status read(Engine& engine, TimePoint deadline) {
    static wire::NameMemo names;  // the GIL lets in one thread at a time
    return request_.read(engine, std::string_view(message_), deadline, names);
  }

  Call& call() override { return request_.call(); }

  py::object answer() const override { return py::bytes(request_.response()); }

 private:
  py::bytes message_;
  wire::ReceivedRequest request_;
};

}  // namespace

py::tuple unmet_tuple(const Unmet& rule) {
  return py::make_tuple(int(rule.rule), rule.name, rule.wanted, rule.got,
                        py::tuple(py::cast(rule.slots)));
}

py::tuple slate_tuple(const Slate& slate) {
  py::tuple unmet(slate.unmet.size());
  for (std::size_t i = 0; i < slate.unmet.size(); ++i) unmet[i] = unmet_tuple(slate.unmet[i]);
  return py::make_tuple(
      py::tuple(py::cast(slate.slots)), py::tuple(py::cast(slate.candidates)),
      py::tuple(py::cast(slate.log_prob)),
      py::tuple(py::cast(std::vector<int>(slate.relaxed.begin(), slate.relaxed.end()))), slate.seed,
      unmet);
}

std::unique_ptr<CallContent> queries_content(const py::list& queries, std::string model,
                                             std::string version, TimePoint deadline) {
  auto content = std::make_unique<QueriesContent>(queries, std::move(model), std::move(version));
  content->call().deadline = deadline;
  return content;
}

std::unique_ptr<CallContent> message_content(Engine& engine, py::bytes message,
                                             TimePoint deadline) {
  auto content = std::make_unique<MessageContent>(std::move(message));
  raise_unless_ok(content->read(engine, deadline));
  return content;
}

}  // namespace gerank
