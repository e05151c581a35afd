#include "rerank.h"

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "../grpc/status_table.h"
#include "../http2/stream.h"

namespace gerank::server {
namespace {

constexpr std::size_t kMostAtRest = 256;  // some 20 KB each

}  // namespace

void RerankCall::begin(Stream& stream, MessageBytes message) {
  stream_ = &stream;
  stream.state = this;
  message_ = std::move(message);
  Engine& engine = method_.service_.engine;
  outcome_ = request_->read(engine, message_.view(), stream.deadline());
  if (!outcome_) return answer();
  version_.choose(method_.routes_, request_->call(), stream.head());
  engine.submit(&request_->call(), [this](Call*, const Status& outcome) {
    outcome_ = outcome;
    method_.relay_.hand_over(*this);
  });
}

void RerankCall::answer() {
  version_.count(request_->call(), outcome_);
  if (stream_ != nullptr) {
    stream_->state = nullptr;
    if (outcome_) send_answer();
    stream_->finish(to_call_status(outcome_, stream_->request_id()));
  }
  rest();
}

void RerankCall::send_answer() {
  std::string answer = request_->response();
  if (exposures::ExposureLog* const log = method_.service_.exposures; log != nullptr) {
    const Call& call = request_->call();
    const ExposedMessages messages = request_->exposed(message_.view(), answer);
    log->record({stream_->request_id(), call.model, call.model_version, stream_->head().arm(),
                 messages.request, messages.response});
  }
  stream_->send(std::move(answer));
}

void RerankCall::leave() {
  stream_ = nullptr;
  message_.leave_connection();
  // A deadline is the engine's business: it counts what expired apart from what was cancelled.
  Call& call = request_->call();
  if (std::chrono::steady_clock::now() < call.deadline) method_.service_.engine.cancel(&call);
}

void RerankCall::rest() {
  stream_ = nullptr;
  version_.clear();
  request_->clear();
  message_.clear();
  method_.give_back(*this);
}

void RerankMethod::take(Stream& stream, MessageBytes message) {
  std::unique_ptr<RerankCall> call;
  if (at_rest_.empty()) {
    call = std::make_unique<RerankCall>(*this, make_request_());
  } else {
    call = std::move(at_rest_.back());
    at_rest_.pop_back();
  }
  call.release()->begin(stream, std::move(message));  // gives itself back
}

void RerankMethod::closed(Stream& stream) { static_cast<RerankCall*>(stream.state)->leave(); }

void RerankMethod::refused(int code) {
  if (code == kUnauthenticated) return;  // a stranger's call is no query
  // A message that cannot be read is the caller's fault, whatever gRPC calls it.
  const bool is_malformed = code == kUnimplemented || code == int(Code::kInternal);
  service_.engine.count_refusal(is_malformed ? Code::kInvalidArgument : Code(code));
}

void RerankMethod::give_back(RerankCall& call) {
  std::unique_ptr<RerankCall> owned(&call);
  if (at_rest_.size() < kMostAtRest) at_rest_.push_back(std::move(owned));
}

}  // namespace gerank::server
