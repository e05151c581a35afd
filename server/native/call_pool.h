// The calls of one completion queue: some that wait for a caller, some at work, some at rest.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <vector>

#include "rerank_call.h"
#include "service.h"
#include "wire/name_memo.h"
#include "wire/received_request.h"

namespace gerank::server {

// Used by the thread of the completion queue alone.
class CallPool {
 public:
  CallPool(Service& service, grpc::ServerCompletionQueue& queue, AnswerRelay& relay);

  // Lets as many calls wait for callers as are to be met at once.
  void open();

  // One that waited has met its caller: another takes its place.
  void await_another();

  // This call has ended.
  void give_back(RerankCall& call);

  // Memory for the message of a call: what was given back last comes first, out of the caches.
  std::unique_ptr<wire::ReceivedRequest> take_request();
  void give_back(std::unique_ptr<wire::ReceivedRequest> request);

 private:
  Service& service_;
  grpc::ServerCompletionQueue& queue_;
  AnswerRelay& relay_;
  wire::NameMemo memo_;
  std::vector<std::unique_ptr<RerankCall>> calls_;
  std::vector<RerankCall*> at_rest_;
  std::vector<std::unique_ptr<wire::ReceivedRequest>> requests_;  // at rest
};

}  // namespace gerank::server
