#include "load_method.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../grpc/status_table.h"
#include "../http2/stream.h"
#include "admin_log.h"
#include "admin_messages.h"

namespace gerank::server {
namespace {

std::string sentence(const LoadOutcome& outcome, const LoadOrder& order) {
  if (order.dry_run) return "'" + order.path + "' was compared: nothing has changed";
  return "'" + outcome.version + "' was loaded as '" + outcome.name +
         (outcome.current ? "' and answers" : "', beside the current version");
}

CallStatus to_answer(const LoadOutcome& outcome, std::string_view request_id) {
  if (outcome.status.code() != Code::kFailedPrecondition || outcome.differences.empty()) {
    return to_call_status(outcome.status, request_id);
  }
  std::vector<Violation> violations;
  for (const ContractDifference& each : outcome.differences) {
    violations.push_back({each.field, each.rule});
  }
  return precondition_failed(outcome.status, "CONTRACT", violations);
}

}  // namespace

// A call whose load waits or runs. The load's thread and the loop share it.
struct LoadMethod::Waiting final : CallState {
  Stream* stream = nullptr;  // null: the caller has left; the loop's
  std::string request_id;
  LoadOrder order;
  LoadOutcome outcome;
};

void LoadMethod::take(Stream& stream, MessageBytes message) {
  const auto waiting = std::make_shared<Waiting>();
  waiting->request_id = stream.request_id();
  Status status = read_load_request(message.view(), &waiting->order);
  if (status) {
    status = loads_.add(waiting->order, [waiting, &loop = loop_](LoadOutcome outcome) {
      waiting->outcome = std::move(outcome);
      const LoadOutcome& out = waiting->outcome;
      tell({"admin_load", waiting->request_id, out.name, out.version}, out.status,
           sentence(out, waiting->order));
      loop.post([waiting] { answer(*waiting); });
    });
  }
  if (!status) return stream.finish(to_call_status(status, waiting->request_id));
  waiting->stream = &stream;  // before the loop can answer: this is its thread
  stream.state = waiting.get();
}

void LoadMethod::closed(Stream& stream) { static_cast<Waiting*>(stream.state)->stream = nullptr; }

void LoadMethod::answer(Waiting& waiting) {
  Stream* const stream = waiting.stream;
  if (stream == nullptr) return;
  stream->state = nullptr;
  if (waiting.outcome.status) stream->send(write_load_response(waiting.outcome));
  stream->finish(to_answer(waiting.outcome, waiting.request_id));
}

}  // namespace gerank::server
