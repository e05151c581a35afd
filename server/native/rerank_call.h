// The life of one Rerank call, from its arrival to the last byte of its answer.
#pragma once

#include <gerank/engine.h>
#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <vector>

#include "completion.h"
#include "gerank/server/wire.pb.h"
#include "name_memo.h"
#include "service.h"

namespace gerank::server {

class AnswerRelay;
class CallPool;

// Used again for call after call: what it allocates, it keeps.
//
//   await -> arrived -> [engine] -> [relay] -> answer -> finished
//                   \-> ended (answered, or the caller has gone)
//
// Runs on the thread of its completion queue throughout: a worker of the engine only hands it over.
class RerankCall {
 public:
  RerankCall(Service& service, grpc::ServerCompletionQueue& queue, CallPool& pool,
             AnswerRelay& relay, NameMemo& memo);

  // Waits for the next caller.
  void await();

  // Sends the outcome of the call.
  void answer();

 private:
  void arrived(bool ok);
  void ended(bool ok);
  void finished(bool ok);

  // Parses the message into the engine's call.
  Status read();

  // From here on the outcome is the engine's to tell.
  void submit();

  void end_one_of_two();

  Service& service_;
  grpc::ServerCompletionQueue& queue_;
  CallPool& pool_;
  AnswerRelay& relay_;
  NameMemo& memo_;
  Step<&RerankCall::arrived> arrived_{*this};
  Step<&RerankCall::ended> ended_{*this};
  Step<&RerankCall::finished> finished_{*this};

  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>> writer_;
  grpc::ByteBuffer bytes_;
  std::unique_ptr<char[]> memory_;                      // the arena's first block, which it keeps
  google::protobuf::Arena arena_;                       // of the views
  std::vector<std::shared_ptr<const NameList>> names_;  // that blocks refer to
  // Parsing into a message that is used again takes half the time of one on an arena.
  std::optional<wire::RerankRequest> request_;
  Call call_;
  Status outcome_;
  bool submitted_ = false;
  int open_ends_ = 0;
};

}  // namespace gerank::server
