// What a call that ranks pages says, in whatever protocol it says it.
#pragma once

#include <gerank/engine.h>
#include <gerank/status.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace gerank::server {

// The two messages of an answered call as an exposure log keeps them: a RerankRequest and a
// RerankResponse of gerank.v1.
struct ExposedMessages {
  std::string_view request, response;
};

// Translates a caller's message to a call of the engine, and the call's slates to an answer. Used
// for call after call; by one thread at a time.
class RankRequest {
 public:
  using Maker = std::function<std::unique_ptr<RankRequest>()>;

  virtual ~RankRequest() = default;

  // Reads a serialized message into the call, if `engine` expects to take it; what it does not take
  // is counted there. The message must stay as it is until clear().
  //
  // kInvalidArgument, naming field and value; or what Engine::expect says.
  virtual Status read(Engine& engine, std::string_view message, TimePoint deadline) = 0;

  virtual Call& call() = 0;

  // The serialized answer to a call that ended with OK.
  virtual std::string response() = 0;

  // What an exposure log keeps of that call, whose caller sent `message` and gets `answer`. The
  // views are valid until clear(), as long as the two are.
  virtual ExposedMessages exposed(std::string_view message, std::string_view answer) = 0;

  // Forgets the message.
  virtual void clear() = 0;
};

}  // namespace gerank::server
