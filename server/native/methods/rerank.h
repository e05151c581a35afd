// The methods that rank pages: they share the life of a call, and differ in their messages.
#pragma once

#include <gerank/engine.h>

#include <memory>
#include <utility>
#include <vector>

#include "../grpc/message_bytes.h"
#include "answer_relay.h"
#include "chosen_version.h"
#include "method.h"
#include "rank_request.h"
#include "service.h"

namespace gerank::server {

class RerankMethod;

// One call, from its message to its answer: what the engine points at. It outlives its stream where
// the caller leaves first, since a worker may still read it.
class RerankCall final : public CallState {
 public:
  RerankCall(RerankMethod& method, std::unique_ptr<RankRequest> request)
      : method_(method), request_(std::move(request)) {}

  // Reads the message and submits it; the stream gets the outcome.
  void begin(Stream& stream, MessageBytes message);

  // Tells the outcome, and rests. On the loop's thread.
  void answer();

  // The caller has left.
  void leave();

 private:
  void send_answer();
  void rest();

  RerankMethod& method_;
  Stream* stream_ = nullptr;  // null: the caller has left
  const std::unique_ptr<RankRequest> request_;
  MessageBytes message_;  // of which the request holds views
  Status outcome_;
  ChosenVersion version_;
};

// Used by the thread of its loop. Lives until the engine has ended all calls.
class RerankMethod final : public Method {
 public:
  // `make_request` makes what reads and writes the messages of this method.
  RerankMethod(Service& service, Loop& loop, RankRequest::Maker make_request)
      : Method(Kind::kUnary),
        service_(service),
        routes_(service.routes, loop),
        relay_(loop),
        make_request_(std::move(make_request)) {}

  void take(Stream& stream, MessageBytes message) override;
  void closed(Stream& stream) override;
  void refused(int code) override;

 private:
  friend class RerankCall;

  void give_back(RerankCall& call);

  Service& service_;
  RouteReader routes_;
  AnswerRelay relay_;
  const RankRequest::Maker make_request_;
  std::vector<std::unique_ptr<RerankCall>> at_rest_;  // last in, first out: it is in the caches
};

}  // namespace gerank::server
