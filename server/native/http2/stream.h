// One call: its head, its messages, its answers, its status.
#pragma once

#include <gerank/clock.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../grpc/call_status.h"
#include "../grpc/message_bytes.h"
#include "../grpc/message_reader.h"
#include "../grpc/request_head.h"
#include "../methods/method.h"
#include "waiting_line.h"

namespace gerank::server {

class Session;

// Used again for call after call; by one thread.
//
//   open -> begin -> receive... -> end_of_request -> [method] -> send, finish -> close
//
// close() may come at any time after open().
class Stream {
 public:
  // ---- for the session

  void open(Session& session, std::int32_t id);

  RequestHead& head() { return head_; }

  // The head is complete.
  void begin();

  // Some bytes of messages.
  void receive(std::string_view data);

  // The caller sends no more.
  void end_of_request();

  // Writes up to `size` bytes of answers; nghttp2_data_source_read_callback says how.
  std::ptrdiff_t read_answer(std::uint8_t* to, std::size_t size, std::uint32_t* flags);

  // The stream is gone.
  void close();

  std::int32_t id() const { return id_; }
  bool has_request_ended() const { return request_ended_; }
  std::int64_t unsent_size() const { return unsent_.size(); }

  // Whether it holds a part of a request that could have come on, but has not since then.
  bool is_stuck(TimePoint since) const;

  // Whether it has a deadline that nobody watches yet.
  bool is_at_rest() const;
  void watch_deadline();

  // ---- for those who wait

  // The deadline has passed.
  void expire();

  // Reads the announced message on, if there is room for it now.
  void try_to_let_in();

  // ---- for methods

  TimePoint deadline() const { return deadline_; }
  const std::string& request_id() { return head_.request_id(); }

  // Answers. What follows the status is not sent.
  void send(std::string message);
  void finish(CallStatus status);

  // The method's own, which it sets back to null when it needs closed() no more.
  CallState* state = nullptr;

 private:
  friend class Session;

  // One length-prefixed message.
  struct Answer {
    char prefix[5];
    std::string message;
  };

  bool announce();  // false: the call is refused
  bool complete();  // false: the call is refused
  bool let_in();    // false: there is no room
  void count_early();
  void count_ended(int code);
  void refuse(int code, std::string message);
  void refuse_stranger(std::string_view refusal);

  Session* session_ = nullptr;  // null: closed
  std::int32_t id_ = 0;
  std::size_t place_ = 0;  // in the session
  RequestHead head_;
  TimePoint deadline_ = kNever;
  TimePoint heard_{};  // when some bytes came, or could come again
  Method* method_ = nullptr;
  MessageReader reader_;
  MessageBytes only_;  // of a unary call, until the request ends
  bool has_only_ = false;
  bool begun_ = false;  // its head was complete, and one of gRPC
  bool request_ended_ = false;
  bool handed_over_ = false;  // to the method
  bool counted_ = false;      // among the open calls
  bool waits_ = false, watched_ = false;
  WaitingLine::Place place_in_line_;
  Holding early_;

  std::vector<Answer> answers_;
  std::size_t next_answer_ = 0, sent_of_next_ = 0;
  Holding unsent_;
  bool answering_ = false;  // the response's headers are on their way
  bool finished_ = false;
  CallStatus status_;
};

// Streams at rest.
class StreamPool {
 public:
  std::unique_ptr<Stream> take();
  void give_back(std::unique_ptr<Stream> stream);

 private:
  std::vector<std::unique_ptr<Stream>> at_rest_;
};

}  // namespace gerank::server
