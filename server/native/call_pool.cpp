#include "call_pool.h"

#include <utility>

namespace gerank::server {
namespace {

constexpr int kWaiting = 64;

}  // namespace

CallPool::CallPool(Service& service, grpc::ServerCompletionQueue& queue, AnswerRelay& relay)
    : service_(service), queue_(queue), relay_(relay) {}

void CallPool::open() {
  for (int i = 0; i < kWaiting; ++i) await_another();
}

void CallPool::await_another() {
  if (at_rest_.empty()) {
    calls_.push_back(std::make_unique<RerankCall>(service_, queue_, *this, relay_, memo_));
    at_rest_.push_back(calls_.back().get());
  }
  RerankCall* call = at_rest_.back();
  at_rest_.pop_back();
  call->await();
}

void CallPool::give_back(RerankCall& call) { at_rest_.push_back(&call); }

std::unique_ptr<wire::ReceivedRequest> CallPool::take_request() {
  if (requests_.empty()) return std::make_unique<wire::ReceivedRequest>();
  std::unique_ptr<wire::ReceivedRequest> request = std::move(requests_.back());
  requests_.pop_back();
  return request;
}

void CallPool::give_back(std::unique_ptr<wire::ReceivedRequest> request) {
  request->clear();
  requests_.push_back(std::move(request));
}

}  // namespace gerank::server
