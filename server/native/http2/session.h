// HTTP/2 on one connection, over nghttp2.
#pragma once

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../net/connection.h"
#include "../net/loop.h"
#include "byte_budget.h"
#include "frame_allowance.h"
#include "stream.h"
#include "stream_host.h"

namespace gerank::server {

// Used by the thread of its connection.
class Session final : public Protocol {
 public:
  Session(StreamHost& host, Connection& connection);
  ~Session() override;

  // ---- for the connection
  void receive(std::string_view bytes) override;
  void send(std::string* out, std::size_t at_most) override;
  bool is_over() const override;
  bool is_congested() const override;
  bool tick(TimePoint now, TimePoint last_heard) override;

  // ---- the end of a connection in good order

  // Tells the caller to send no new calls here. Those that are under way are taken until it has
  // heard, or until leave_now().
  //
  // From a moment before the word until it was heard, answers are held back: a caller that waits
  // for one begins no call just when the word comes. Clients without retries give up a call that
  // they begin then.
  void leave();

  // Takes no more calls from now on. When those that were taken have ended, so does the connection.
  void leave_now();

  // The caller has read a PING of ours.
  void hear_ping(const std::uint8_t* payload);

  // Whether no more calls are taken.
  bool has_left() const { return left_; }

  // ---- for its streams
  nghttp2_session* handle() { return handle_; }
  StreamHost& host() { return host_; }
  const std::string& peer() const { return connection_.peer(); }
  ConnectionBudget& budget() { return budget_; }
  gerank::TimePoint now();

  // There is more to send of this stream.
  void answer(Stream& stream);

  // Ends a stream by a status of HTTP, not of gRPC.
  void answer_plainly(Stream& stream, std::string_view status);

  // Ends a stream by a reset.
  void reset(Stream& stream, std::uint32_t error);

  // Lets a stream receive `size` bytes in all.
  void open_window(std::int32_t stream, std::size_t size);

  // Lets what was submitted of a stream be sent at the end of the turn.
  void wake(Stream& stream);

 private:
  friend struct SessionCallbacks;

  Stream* add(std::int32_t id);  // null: refused
  void announce_max_calls(std::string_view settings, std::string* out);
  void remove(Stream& stream);
  void give_window(Stream& stream, std::size_t size);
  void charge(const nghttp2_frame_hd& frame);
  void end(std::uint32_t error);
  void watch_deadlines();
  void tell_that_we_leave();
  void release_answers();
  void sent_goaway();
  void ask_whether_heard();
  bool is_stalled(TimePoint now) const;
  void end_stuck_messages(TimePoint now);

  StreamHost& host_;
  Connection& connection_;
  nghttp2_session* handle_ = nullptr;
  ConnectionBudget budget_;
  FrameAllowance allowance_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<std::int32_t> touched_;  // ids of streams whose deadline may be ours to watch
  const TimePoint began_;
  TimePoint pinged_{}, leaving_since_{}, last_sent_;
  bool announced_ = false, heard_settings_ = false;
  bool leaving_ = false, left_ = false;
  bool holds_answers_ = false;
  std::unique_ptr<Timer> holding_;  // until the word that we leave, then until it was heard
  std::vector<std::int32_t> held_;  // ids of streams whose answers are held back
  int leaving_pings_heard_ = 0;     // of those behind the word that we leave
  bool failed_ = false;             // what still comes is not read
  bool broken_ = false;             // nothing can be sent
};

}  // namespace gerank::server
