#include "rerank_call.h"

#include <chrono>
#include <string_view>
#include <utility>

#include "answer_relay.h"
#include "call_pool.h"
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
                       AnswerRelay& relay, wire::NameMemo& memo)
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
  if (!bytes_.TrySingleSlice(&slice_).ok() && !bytes_.DumpToSingleSlice(&slice_).ok()) {
    return {Code::kInternal, "the message cannot be put into one piece"};
  }
  request_ = pool_.take_request();
  const std::string_view message(reinterpret_cast<const char*>(slice_.begin()), slice_.size());
  return request_->read(service_.engine, message, to_steady(context_->deadline()), memo_);
}

void RerankCall::submit() {
  service_.engine.submit(&request_->call(), [this](Call*, const Status& outcome) {
    outcome_ = outcome;
    relay_.hand_over(*this);
  });
}

void RerankCall::answer() {
  if (outcome_.ok()) {
    const grpc::Slice response(request_->response());
    writer_->Finish(grpc::ByteBuffer(&response, 1), grpc::Status::OK, &finished_);
  } else {
    writer_->FinishWithError(to_grpc(outcome_), &finished_);
  }
  if (request_) pool_.give_back(std::move(request_));
  slice_ = grpc::Slice();
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
