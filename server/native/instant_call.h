// A call whose answer costs next to nothing: it is given on the thread of the completion queue.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <optional>

#include "completion.h"
#include "service.h"

namespace gerank::server {

// Serves one caller after the other of one method.
class InstantCall {
 public:
  using Writer = grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>;

  // Asks the service for the next caller of the method: its RequestDescribe, say.
  using Await = std::function<void(grpc::ServerContext*, grpc::ByteBuffer*, Writer*, Completion*)>;

  // Makes the answer to the bytes of a request.
  using Answer = std::function<grpc::Status(grpc::ByteBuffer* request, grpc::ByteBuffer* answer)>;

  InstantCall(Await await, Answer answer);

  // Waits for the next caller.
  void await();

 private:
  void arrived(bool ok);
  void finished(bool ok);

  const Await await_;
  const Answer answer_;
  Step<&InstantCall::arrived> arrived_{*this};
  Step<&InstantCall::finished> finished_{*this};
  std::optional<grpc::ServerContext> context_;
  std::optional<Writer> writer_;
  grpc::ByteBuffer request_;
};

// The answers of gerank.v1.RerankService that need no model.
grpc::Status describe(Service& service, grpc::ByteBuffer* request, grpc::ByteBuffer* answer);
grpc::Status tell_statistics(Service& service, grpc::ByteBuffer* answer);

}  // namespace gerank::server
