#include "rerank_call.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

#include "answer_relay.h"
#include "call_pool.h"
#include "response_writer.h"
#include "status_table.h"

namespace gerank::server {
namespace {

TimePoint to_steady(std::chrono::system_clock::time_point deadline) {
  if (deadline == std::chrono::system_clock::time_point::max()) return kNever;
  const auto left = deadline - std::chrono::system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return kNever;
  return std::chrono::steady_clock::now() + left;
}

}  // namespace

RerankCall::RerankCall(Service& service, grpc::ServerCompletionQueue& queue, CallPool& pool,
                       AnswerRelay& relay, NameMemo& memo)
    : service_(service), queue_(queue), pool_(pool), relay_(relay), memo_(memo) {}

void RerankCall::await() {
  writer_.reset();
  context_.emplace();
  writer_.emplace(&*context_);
  open_ends_ = 2;
  context_->AsyncNotifyWhenDone(&ended_);
  service_.methods.RequestRerank(&*context_, &bytes_, &*writer_, &queue_, &queue_, &arrived_);
}

void RerankCall::arrived(bool ok) {
  if (!ok) return;  // the server is shutting down; the pool owns this object
  service_.arrived.fetch_add(1, std::memory_order_relaxed);
  service_.open.fetch_add(1, std::memory_order_relaxed);
  pool_.await_another();
  outcome_ = read();
  bytes_.Clear();
  if (outcome_.ok()) {
    submit();
  } else {
    answer();
  }
}

Status RerankCall::read() {
  const TimePoint deadline = to_steady(context_->deadline());
  const std::size_t queries = count_queries(&bytes_);
  const std::size_t most = service_.engine.options().max_queries;
  if (Status status = service_.engine.expect(std::min(queries, most), deadline); !status) {
    return status;
  }
  Status status = read_queries(queries, deadline);
  if (!status) service_.engine.count_refusal(status.code(), queries);
  return status;
}

Status RerankCall::read_queries(std::size_t queries, TimePoint deadline) {
  const std::size_t most = service_.engine.options().max_queries;
  // Too many are not parsed: empty ones take two bytes on the way here, and hundreds afterwards.
  if (queries > most) return wrong_count(queries, most);
  request_ = pool_.take_request();
  request_->call().deadline = deadline;
  return request_->read(&bytes_, memo_, most);
}

void RerankCall::submit() {
  service_.engine.submit(&request_->call(), [this](Call*, const Status& outcome) {
    outcome_ = outcome;
    relay_.hand_over(*this);
  });
}

void RerankCall::answer() {
  if (outcome_.ok()) {
    writer_->Finish(write_response(request_->message(), request_->call()), grpc::Status::OK,
                    &finished_);
  } else {
    writer_->FinishWithError(to_grpc(outcome_), &finished_);
  }
  if (request_) pool_.give_back(std::move(request_));
}

void RerankCall::ended(bool) {
  if (request_ && context_->IsCancelled()) {
    // A deadline is the engine's business: it counts what expired apart from what was cancelled.
    Call& call = request_->call();
    if (std::chrono::steady_clock::now() < call.deadline) service_.engine.cancel(&call);
  }
  end_one_of_two();
}

void RerankCall::finished(bool) {
  service_.open.fetch_sub(1, std::memory_order_relaxed);
  end_one_of_two();
}

void RerankCall::end_one_of_two() {
  if (--open_ends_ == 0) pool_.give_back(*this);
}

}  // namespace gerank::server
