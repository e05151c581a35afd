// The life of one Rerank call, from its arrival to the last byte of its answer.
#pragma once

#include <gerank/engine.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>

#include "completion.h"
#include "service.h"
#include "wire/name_memo.h"
#include "wire/received_request.h"

namespace gerank::server {

class AnswerRelay;
class CallPool;

// Used again for call after call.
//
//   await -> arrived -> [engine] -> [relay] -> answer -> finished
//                   \-> ended (answered, or the caller has gone)
//
// Runs on the thread of its completion queue throughout: a worker of the engine only hands it over.
class RerankCall {
 public:
  RerankCall(Service& service, grpc::ServerCompletionQueue& queue, CallPool& pool,
             AnswerRelay& relay, wire::NameMemo& memo);

  // Waits for the next caller.
  void await();

  // Sends the outcome of the call.
  void answer();

 private:
  void arrived(bool ok);
  void ended(bool ok);
  void finished(bool ok);

  // Reads the message, if the engine expects to take it.
  Status read();

  // From here on the outcome is the engine's to tell.
  void submit();

  void end_one_of_two();

  Service& service_;
  grpc::ServerCompletionQueue& queue_;
  CallPool& pool_;
  AnswerRelay& relay_;
  wire::NameMemo& memo_;
  Step<&RerankCall::arrived> arrived_{*this};
  Step<&RerankCall::ended> ended_{*this};
  Step<&RerankCall::finished> finished_{*this};

  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>> writer_;
  grpc::ByteBuffer bytes_;
  grpc::Slice slice_;  // the same in one piece, of which the request holds views
  std::unique_ptr<wire::ReceivedRequest> request_;  // from the message's arrival to its answer
  Status outcome_;
  int open_ends_ = 0;
};

}  // namespace gerank::server
