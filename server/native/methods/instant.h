// A method whose answer costs next to nothing: it is given at once.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "../grpc/call_status.h"
#include "../http2/stream.h"
#include "method.h"

namespace gerank::server {

class InstantMethod final : public Method {
 public:
  // Makes the answer to a message of the call with this id.
  using Answer = std::function<CallStatus(std::string_view message, std::string_view request_id,
                                          std::string* answer)>;

  explicit InstantMethod(Answer answer) : Method(Kind::kUnary), answer_(std::move(answer)) {}

  void take(Stream& stream, MessageBytes message) override {
    std::string answer;
    CallStatus status = answer_(message.view(), stream.request_id(), &answer);
    message.clear();
    if (status.code == 0) stream.send(std::move(answer));
    stream.finish(std::move(status));
  }

 private:
  const Answer answer_;
};

}  // namespace gerank::server
