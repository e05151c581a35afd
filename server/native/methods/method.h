// What is done with the calls of one method.
#pragma once

#include <gerank/status.h>

#include "../grpc/message_bytes.h"
#include "../metrics/counts.h"

namespace gerank::server {

class Stream;

// What a method keeps of one call, from its message to its end. The method owns it.
class CallState {
 protected:
  ~CallState() = default;
};

// One for all calls of a thread, which is the only one to use it.
class Method {
 public:
  enum class Kind {
    kUnary,         // one message, one answer
    kWatch,         // one message, answers as long as the caller listens
    kConversation,  // any number of messages, and of answers
  };

  explicit Method(Kind kind) : kind_(kind) {}
  virtual ~Method() = default;

  Kind kind() const { return kind_; }

  // A message has come; the only one, unless this is a conversation, of a caller that sends no
  // more. Calls Stream::send and Stream::finish now or later; until then, or until closed(), it may
  // keep a state at the stream.
  virtual void take(Stream& stream, MessageBytes message) = 0;

  // The caller of a conversation says no more.
  virtual void end(Stream&) {}

  // A stream with a state needs no answer any more: the caller has left, or its deadline has
  // passed.
  virtual void closed(Stream&) {}

  // A call ended with an error before it had come whole.
  virtual void refused(int) {}

  // The calls of this thread that have ended; for any thread to read.
  EndedCalls ended;

 private:
  const Kind kind_;
};

}  // namespace gerank::server
