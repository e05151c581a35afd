// One socket: bytes in, bytes out, and when it ends.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "loop.h"
#include "transport.h"

namespace gerank::server {

class ConnectionSet;

// What is spoken over a connection.
class Protocol {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~Protocol() = default;

  // Bytes of the peer have come.
  virtual void receive(std::string_view bytes) = 0;

  // Appends what is to be sent, as long as `out` holds less than `at_most` bytes.
  virtual void send(std::string* out, std::size_t at_most) = 0;

  // Whether nothing more can be sent or received: the connection is closed when it has sent all.
  virtual bool is_over() const = 0;

  // Whether so much waits to be sent that the peer must not ask for more.
  virtual bool is_congested() const = 0;

  // Comes about every second, with the time at which the peer was last heard. False: the
  // connection must be closed at once.
  virtual bool tick(TimePoint now, TimePoint last_heard) = 0;
};

// Used by the thread of its loop. Frees nothing by itself: the set does, at the end of a turn.
class Connection {
 public:
  // Takes the descriptor over. `peer` as peer_of() has it.
  Connection(ConnectionSet& set, int descriptor, std::string peer,
             std::unique_ptr<Transport> transport);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Must be called once, before anything else.
  void speak(std::unique_ptr<Protocol> protocol);
  Protocol& protocol() { return *protocol_; }

  // There may be something to send: at the end of the turn, together with all else.
  void wake();

  // The time, read at most once in a turn.
  std::chrono::steady_clock::time_point now();

  // This is who is at the other end, as it was when it came: a reset takes the name away.
  const std::string& peer() const { return peer_; }

  // Tells the log, at debug, why the connection ends before its peer meant it to.
  void tell_of_end(std::string_view reason) const;

  // The set calls this: it sends what there is, as far as the socket takes it.
  void flush();

  // The set calls this about every second.
  void tick(std::chrono::steady_clock::time_point now);

  // Tells the set whether the connection can be freed.
  bool has_ended() const { return lost_; }

 private:
  friend class ConnectionSet;

  void ready(int events);
  void read();
  void fill();       // out_, where all of it was sent
  bool write_out();  // false: the socket takes no more now
  void finish_writing();
  void end();  // when what is left was sent
  bool is_over() const { return over_ || protocol_->is_over(); }

  ConnectionSet& set_;
  const int descriptor_;
  const std::string peer_;
  SocketPoll poll_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Protocol> protocol_;
  std::string plain_, out_;
  std::size_t sent_ = 0;  // of out_
  std::chrono::steady_clock::time_point last_heard_, ends_since_;
  std::size_t place_ = 0;      // in the set
  bool awake_ = false;         // the set will flush it
  bool over_ = false;          // nothing but the transport's own last bytes is sent any more
  bool has_said_all_ = false;  // our side is closed: the peer's end is awaited
  bool lost_ = false;
};

}  // namespace gerank::server
